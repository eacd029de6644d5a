import { CodecError, type CodedFrame, checkFrameSize, type DecodedFrame } from './coded-frame.js';
import { type JpegImage, type JpegScan, parseJpeg } from './jpeg-segments.js';

/**
 * Lossless JPEG with Huffman coding (ITU-T T.81 annex H, process 14; all seven predictors), 2 to 16 bits, one or more
 * components in one scan or in a scan each.
 *
 * @throws CodecError
 */
export function decodeJpegLossless(coded: CodedFrame): DecodedFrame {
  const image = parseJpeg(coded.bytes);
  const { frame, scans } = image;
  if (frame.marker !== 0xc3) {
    throw new CodecError('a lossless JPEG frame (SOF3)', `SOF${frame.marker - 0xc0}`);
  }
  if (frame.precision < 2 || frame.precision > 16) {
    throw new CodecError('2 to 16 bits', `${frame.precision}`);
  }
  checkFrameSize(coded, { rows: frame.rows, columns: frame.columns, samples: frame.components.length });
  const count = frame.rows * frame.columns * frame.components.length;
  const values = frame.precision > 8 ? new Uint16Array(count) : new Uint8Array(count);
  for (const scan of scans) decodeScan(image, scan, values);
  return { values, bits: frame.precision, signed: false, rgb: false };
}

function decodeScan({ frame }: JpegImage, scan: JpegScan, values: Uint8Array | Uint16Array): void {
  const { rows, columns, precision, components } = frame;
  const { spectralStart: predictor, low: shift, restartInterval, intervals } = scan;
  if (predictor < 1 || predictor > 7) throw new CodecError('a predictor from 1 to 7', `${predictor}`);
  if (scan.components.some(({ component }) => component.h !== 1 || component.v !== 1)) {
    throw new CodecError('components of full resolution', 'subsampled ones');
  }
  const samples = components.length;
  const slots = scan.components.map(({ component, dc }) => ({ slot: components.indexOf(component), dc }));
  const initial = 1 << (precision - shift - 1);
  const mask = 0xffff;
  const rowStride = columns * samples;
  const everyUnits = restartInterval || rows * columns;
  const counts = Math.ceil((rows * columns) / everyUnits);
  if (intervals.length < counts) {
    throw new CodecError(`${counts} restart intervals`, `${intervals.length}`);
  }
  // Values before the point transform; predictors work on these.
  const plain = shift === 0 ? values : new Uint16Array(values.length);
  for (let interval = 0; interval < counts; interval += 1) {
    const bytes = intervals[interval]!;
    const first = interval * everyUnits;
    const last = Math.min(first + everyUnits, rows * columns);
    let accumulator = 0;
    let available = 0;
    let position = 0;
    let column = first % columns;
    let firstRowEnd = first + columns - column;
    if (column !== 0) firstRowEnd = first + columns;
    for (let unit = first; unit < last; unit += 1) {
      for (const { slot, dc } of slots) {
        while (available <= 24) {
          accumulator |= (position < bytes.length ? bytes[position]! : 0) << (24 - available);
          position += 1;
          available += 8;
        }
        const entry = dc[accumulator >>> 16]!;
        if (entry === 0) throw new CodecError('Huffman codes of the table', 'another bit pattern');
        const length = entry >> 8;
        accumulator <<= length;
        available -= length;
        const category = entry & 0xff;
        let difference = 0;
        if (category === 16) difference = 32_768;
        else if (category > 16) throw new CodecError('differences of at most 16 bits', `${category}`);
        else if (category > 0) {
          while (available <= 24) {
            accumulator |= (position < bytes.length ? bytes[position]! : 0) << (24 - available);
            position += 1;
            available += 8;
          }
          const raw = accumulator >>> (32 - category);
          accumulator <<= category;
          available -= category;
          difference = raw >= 1 << (category - 1) ? raw : raw - (1 << category) + 1;
        }
        const at = unit * samples + slot;
        let prediction: number;
        if (unit === first) prediction = initial;
        else if (unit < firstRowEnd) prediction = plain[at - samples]!;
        else if (column === 0) prediction = plain[at - rowStride]!;
        else {
          const left = plain[at - samples]!;
          if (predictor === 1) prediction = left;
          else {
            const above = plain[at - rowStride]!;
            const corner = plain[at - rowStride - samples]!;
            prediction = predictionOf(predictor, left, above, corner);
          }
        }
        plain[at] = (prediction + difference) & mask;
      }
      column = column + 1 === columns ? 0 : column + 1;
    }
    // Padding bits may be read ahead, coded ones may not.
    if (position - (available >> 3) > bytes.length) {
      throw new CodecError('a whole entropy-coded scan', 'one cut short');
    }
  }
  if (plain !== values) for (const [index, value] of plain.entries()) values[index] = value << shift;
}

function predictionOf(predictor: number, left: number, above: number, corner: number): number {
  switch (predictor) {
    case 2:
      return above;
    case 3:
      return corner;
    case 4:
      return left + above - corner;
    case 5:
      return left + ((above - corner) >> 1);
    case 6:
      return above + ((left - corner) >> 1);
    default:
      return (left + above) >> 1;
  }
}
