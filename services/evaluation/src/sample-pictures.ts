import type { SampleImages } from '@medformer/report';
import { badInput } from '@medformer/schema';
import sharp from 'sharp';

/** A picture as it comes over the wire, little-endian. */
export interface PictureTensor {
  /** uint8 spans 0-255, uint16 0-65535 and float32 [0, 1]; what lies outside is clipped. */
  type: 'uint8' | 'uint16' | 'float32';
  /** `[height, width, channels]` or `[depth, height, width, channels]`. */
  shape: number[];
  data: Uint8Array;
}

export interface SampleTensors {
  caption: string;
  images: PictureTensor[];
  /** What each is; without them the image as ingested, then its views. */
  names?: string[];
}

/** Pictures are shown at this size; a larger one only makes the page heavier. */
const LARGEST_EDGE = 256;

const BYTES = { uint8: 1, uint16: 2, float32: 4 } as const;

/**
 * PNG pictures that a page can carry inside itself; of a volume the middle slice along its first axis.
 * @param field where the request has them
 * @throws MedformerError INVALID_ARGUMENT naming the picture whose shape or bytes do not fit, or names that are not as many.
 */
export async function samplePictures(
  samples: readonly SampleTensors[],
  field: string,
): Promise<SampleImages[]> {
  return Promise.all(
    samples.map(async ({ caption, images, names }, sample) => {
      if (names && names.length !== images.length)
        throw badInput({
          file: 'request',
          field: `${field}.${sample}.names`,
          expected: `${images.length}, one per picture`,
          found: `${names.length}`,
        });
      return {
        caption,
        images: await Promise.all(
          images.map((image, index) => dataUrl(image, `${field}.${sample}.images.${index}`)),
        ),
        ...(names ? { names } : {}),
      };
    }),
  );
}

async function dataUrl(picture: PictureTensor, field: string): Promise<string> {
  const { height, width, channels, values } = middleSlice(picture, field);
  const png = await sharp(values, { raw: { width, height, channels } })
    .resize({ width: LARGEST_EDGE, height: LARGEST_EDGE, fit: 'inside', withoutEnlargement: true })
    .png()
    .toBuffer();
  return `data:image/png;base64,${png.toString('base64')}`;
}

/** The slice as 8-bit values, `[height, width, channels]`. */
function middleSlice({ type, shape, data }: PictureTensor, field: string) {
  const [depth = 0, height = 0, width = 0, channels = 0] = shape.length === 3 ? [1, ...shape] : shape;
  const refuse = (part: string, expected: string, found: string) =>
    badInput({ file: 'request', field: `${field}.${part}`, expected, found });
  if (shape.length > 4 || depth * height * width === 0 || (channels !== 1 && channels !== 3)) {
    throw refuse('shape', '[height, width, 1 or 3], or the same after a depth', `[${shape.join(', ')}]`);
  }
  const size = height * width * channels;
  const bytes = depth * size * BYTES[type];
  if (data.byteLength !== bytes) throw refuse('data', `${bytes} bytes`, `${data.byteLength}`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const first = (depth >> 1) * size;
  const values = Uint8ClampedArray.from({ length: size }, (_, index) => {
    const at = (first + index) * BYTES[type];
    if (type === 'uint8') return view.getUint8(at);
    if (type === 'uint16') return view.getUint16(at, true) / 257;
    return view.getFloat32(at, true) * 255;
  });
  return { height, width, channels: channels as 1 | 3, values };
}
