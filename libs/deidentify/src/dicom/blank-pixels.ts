import { badInput } from '@medformer/schema';
import type { PixelRegionRule } from './pixel-region-rule.js';
import { bytesOf, type DataSet, textOf } from './read-data-set.js';

/**
 * A copy of uncompressed pixel data with parts of every frame set to zero bytes.
 * @throws MedformerError INVALID_ARGUMENT where pixels are compressed, or are not whole bytes
 */
export function blankPixels(data: DataSet, blank: PixelRegionRule['blank'], file: string): Buffer {
  const element = data.elements.x7fe00010!;
  const uint16 = (tag: string) => data.uint16(tag) ?? 0;
  const [rows, columns] = [uint16('x00280010'), uint16('x00280011')];
  const sampleBytes = uint16('x00280100') / 8;
  const samples = data.uint16('x00280002') ?? 1;
  const frames = Math.max(1, Math.trunc(Number(textOf(data, data.elements.x00280008) || 1)));
  const frameBytes = rows * columns * samples * sampleBytes;
  const whole = Number.isInteger(sampleBytes) && frameBytes > 0 && element.length >= frameBytes * frames;
  const photometric = textOf(data, data.elements.x00280004);
  if (element.encapsulatedPixelData || !whole || photometric === 'YBR_FULL_422') {
    const expected = 'uncompressed pixels of whole bytes, to blank parts of them';
    throw badInput({ file, field: '(7FE0,0010) PixelData', expected, found: 'others' });
  }
  const pixels = Buffer.from(bytesOf(data, element));
  const planar = samples > 1 && data.uint16('x00280006') === 1;
  const planes = frames * (planar ? samples : 1);
  const pixelBytes = sampleBytes * (planar ? 1 : samples);
  for (let plane = 0; plane < planes; plane += 1) {
    for (const { left, top, width, height } of blank) {
      const [right, bottom] = [Math.min(columns, left + width), Math.min(rows, top + height)];
      for (let row = top; row < bottom && left < right; row += 1) {
        const at = (plane * rows + row) * columns;
        pixels.fill(0, (at + left) * pixelBytes, (at + right) * pixelBytes);
      }
    }
  }
  return pixels;
}
