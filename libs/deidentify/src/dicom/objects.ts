import { badInput, type MedformerError } from '@medformer/schema';
import dicomParser from 'dicom-parser';
import { hasDicomMark } from './read-data-set.js';

const STORAGE = '1.2.840.10008.5.1.4.1.1.';

/**
 * Objects whose content is made to be read by people or for one vendor's machines, by their SOP class under
 * 1.2.840.10008.5.1.4.1.1. The standard's options for them (Clean Structured Content, Clean Graphics) are not applied here.
 */
const REFUSED: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/^88\./, 'a structured report'],
  [/^104\./, 'an encapsulated document'],
  [/^11\./, 'a presentation state'],
  [/^9\.(4|7|8)\./, 'audio or a general waveform'],
  [/^9\./, 'a waveform'],
  [/^66$/, 'raw data of a device'],
  [/^(38|39)\./, 'a hanging protocol or palette'],
  [/^(40|43|44|45)\./, 'an implant template'],
  [/^(79|80|81|90)\./, 'an object of one application'],
];

/**
 * Refuses objects that cannot be cleaned attribute by attribute.
 * @throws MedformerError INVALID_ARGUMENT naming the SOP class
 */
export function refuseUncleanable(sopClass: string, file: string): void {
  const refuse = (found: string): MedformerError =>
    badInput({
      file,
      field: '(0008,0016) SOPClassUID',
      expected: 'an image or another object of standard attributes',
      found,
    });
  if (!/^1\.2\.840\.10008\.[0-9.]+$/.test(sopClass)) throw refuse('no class of the standard');
  if (!sopClass.startsWith(STORAGE)) throw refuse(sopClass.slice(0, 64));
  const own = sopClass.slice(STORAGE.length);
  for (const [pattern, what] of REFUSED) if (pattern.test(own)) throw refuse(`${what} (${sopClass})`);
}

/** True for the directory of a medium (DICOMDIR), which names files and patients and is made anew for other files. */
export function isMediaDirectory(bytes: Uint8Array): boolean {
  if (!hasDicomMark(bytes)) return false;
  try {
    return dicomParser.readPart10Header(bytes).string('x00020002')?.trim() === MEDIA_DIRECTORY;
  } catch {
    return false;
  }
}

const MEDIA_DIRECTORY = '1.2.840.10008.1.3.10';
