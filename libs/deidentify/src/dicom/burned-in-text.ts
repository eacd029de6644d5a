/** Modalities whose images carry text by custom, or are photographs, screens or papers. */
const OFTEN_WITH_TEXT = new Set(
  'US IVUS BDUS XA RF XC ES GM SM OT OP OAM SC HC DOC EC ECG DG BI LS TG PLAN SMR AU'.split(' '),
);
const SECONDARY_CAPTURE = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.(7(\.|$)|77\.1\.(1|2|4)(\.|$)|6\.|3\.)/;
const SCREENS = /SCREEN|DOSE|PROTOCOL|REPORT|SNAPSHOT|CAPTURE/;

export const BURNED_IN_ANNOTATION = '(0028,0301) BurnedInAnnotation';

/** Attributes of an image as they stand in it, trimmed; empty where absent. */
export interface PixelStatements {
  /** (0028,0301) */
  burnedInAnnotation: string;
  /** (0008,0060) */
  modality: string;
  /** (0008,0016) */
  sopClass: string;
  /** (0008,0008), its values joined by backslashes. */
  imageType: string;
  /** Whether (0008,0064) ConversionType is there: pixels of another source than a scanner. */
  converted: boolean;
}

/**
 * Whether text may be burned into an image's pixels (PS3.15 E.3.1): it says so, its kind often has some and it says
 * nothing of it, or neither.
 */
export function burnedInText(image: PixelStatements): 'stated' | 'denied' | 'suspected' | 'unstated' {
  if (image.burnedInAnnotation === 'YES') return 'stated';
  if (image.burnedInAnnotation === 'NO') return 'denied';
  const suspect =
    OFTEN_WITH_TEXT.has(image.modality) ||
    SECONDARY_CAPTURE.test(image.sopClass) ||
    image.converted ||
    SCREENS.test(image.imageType);
  return suspect ? 'suspected' : 'unstated';
}
