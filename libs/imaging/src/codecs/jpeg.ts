import { CodecError, type CodedFrame, type DecodedFrame } from './coded-frame.js';
import { decodeJpegSequential } from './jpeg-sequential.js';
import { decodeByWasm } from './wasm-codecs.js';

/**
 * Lossy JPEG of 8 or 12 bits. libjpeg guesses the colour space from markers that DICOM's encoders often leave out or
 * write wrongly; PhotometricInterpretation decides instead, said to the decoder by Adobe's marker.
 *
 * @throws CodecError
 */
export async function decodeJpeg(coded: CodedFrame, photometric: string): Promise<DecodedFrame> {
  const { precision, begin } = frameHeader(coded.bytes);
  const rgb = coded.samples === 3;
  const transform = rgb && photometric !== 'RGB';
  if (precision === 12) return { ...decodeJpegSequential(coded, transform), rgb };
  const bytes = rgb ? withColourTransform(coded.bytes, begin, transform ? 1 : 0) : coded.bytes;
  return { ...(await decodeByWasm('jpeg', { ...coded, bytes })), rgb };
}

/** Precision of the frame, and where its SOF marker stands. */
function frameHeader(bytes: Uint8Array): { precision: number; begin: number } {
  for (const { marker, begin } of headerSegments(bytes)) {
    if (isFrame(marker)) return { precision: bytes[begin + 4] ?? 0, begin };
  }
  throw new CodecError('a JPEG frame header', 'none');
}

function* headerSegments(bytes: Uint8Array): Iterable<{ marker: number; begin: number; end: number }> {
  let at = 2;
  while (at + 5 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const end = at + 2 + bytes[at + 2]! * 256 + bytes[at + 3]!;
    yield { marker, begin: at, end };
    if (marker === 0xda) return;
    at = end;
  }
}

function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** The codestream with one marker on its colours, Adobe's APP14, in place of JFIF's and others before the frame. */
function withColourTransform(bytes: Uint8Array, frame: number, transform: 0 | 1): Uint8Array {
  const parts = [bytes.subarray(0, 2)];
  for (const { marker, begin, end } of headerSegments(bytes)) {
    if (begin >= frame) break;
    if (marker !== 0xe0 && marker !== 0xee) parts.push(bytes.subarray(begin, end));
  }
  const adobe = [0xff, 0xee, 0, 14, 0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, transform];
  return Buffer.concat([...parts, Uint8Array.from(adobe), bytes.subarray(frame)]);
}
