import { badInput } from '@medformer/schema';
import sharp from 'sharp';
import { MAX_IMAGE_BYTES, type Voxels } from '../voxels.js';

/**
 * Decodes a PNG, JPEG or TIFF image: grey stays grey, colour becomes RGB, transparency is refused because it says nothing
 * about tissue. 8-bit values come as uint8, 16-bit ones as uint16.
 *
 * @returns `[height, width, 1 or 3]`.
 * @throws MedformerError INVALID_ARGUMENT
 */
export async function decodeRaster(bytes: Uint8Array, file: string): Promise<Voxels> {
  const unreadable = (cause: unknown) =>
    badInput(
      { file, field: 'image', expected: 'a whole PNG, JPEG or TIFF image', found: reason(cause, bytes) },
      { cause },
    );
  if (bytes.length === 0) throw unreadable(new Error('nothing'));
  const image = sharp(bytes, { failOn: 'warning', limitInputPixels: MAX_IMAGE_BYTES / 8 });
  const { format, space, depth, width, height, hasAlpha, pages } = await image.metadata().catch((cause) => {
    throw unreadable(cause);
  });
  if (format !== 'png' && format !== 'jpeg' && format !== 'tiff')
    throw unreadable(new Error(`the format ${format}`));
  if (hasAlpha || (pages ?? 1) > 1) {
    const found = hasAlpha ? 'transparency' : `${pages} pages`;
    throw badInput({ file, field: 'image', expected: 'grey or RGB pixels of one page', found });
  }
  if (depth !== 'uchar' && depth !== 'ushort') {
    throw badInput({ file, field: 'image', expected: '8 or 16 bits a sample', found: depth ?? 'others' });
  }
  const deep = depth === 'ushort';
  const grey = space === 'b-w' || space === 'grey16';
  const raw = deep
    ? image.toColourspace(grey ? 'grey16' : 'rgb16').raw({ depth: 'ushort' })
    : image.toColourspace(grey ? 'b-w' : 'srgb').raw();
  const { data, info } = await raw.toBuffer({ resolveWithObject: true }).catch((cause) => {
    throw unreadable(cause);
  });
  const values = deep ? new Uint16Array(data.buffer, data.byteOffset, data.length / 2) : new Uint8Array(data);
  return { shape: [height, width, info.channels], values };
}

function reason(cause: unknown, bytes: Uint8Array): string {
  const [line = ''] = String((cause as Error).message).split('\n');
  return `${line.slice(0, 120)} (${bytes.length} bytes)`;
}
