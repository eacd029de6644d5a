import { createRequire } from 'node:module';
import { CodecError, type CodedFrame, checkFrameSize, type DecodedFrame } from './coded-frame.js';

/*
 * OpenJPEG, CharLS, OpenJPH and libjpeg-turbo as compiled to WebAssembly by the Cornerstone project. Each is loaded at
 * its first use, once a thread, and keeps its chatter to itself: stdout belongs to the caller.
 */

interface FrameInfo {
  width: number;
  height: number;
  bitsPerSample: number;
  componentCount: number;
  isSigned: boolean;
}

interface Decoder {
  getEncodedBuffer(length: number): Uint8Array;
  /** Of size 0 until `decode`; a view of the module's memory. */
  getDecodedBuffer(): Uint8Array;
  decode(): void;
  getFrameInfo(): FrameInfo;
  /** Of JPEG-LS: 0 where the components stand one after the other. */
  getInterleaveMode?(): number;
  delete(): void;
}

type Module = Readonly<Record<string, new () => Decoder>>;
type Factory = (options: { print: () => void; printErr: () => void }) => Promise<Module>;

const CODECS = {
  'jpeg-2000': { module: '@cornerstonejs/codec-openjpeg/decodewasmjs', decoder: 'J2KDecoder' },
  htj2k: { module: '@cornerstonejs/codec-openjph/wasmjs', decoder: 'HTJ2KDecoder' },
  'jpeg-ls': { module: '@cornerstonejs/codec-charls/decodewasmjs', decoder: 'JpegLSDecoder' },
  jpeg: { module: '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs', decoder: 'JPEGDecoder' },
} as const;
export type WasmCodec = keyof typeof CODECS;

const require = createRequire(import.meta.url);
const loading = new Map<WasmCodec, Promise<new () => Decoder>>();

/** @throws CodecError for a codestream that the codec refuses or that is of another size. */
export async function decodeByWasm(codec: WasmCodec, coded: CodedFrame): Promise<DecodedFrame> {
  const decoder = new (await load(codec))();
  try {
    return decode(codec, decoder, coded);
  } catch (cause) {
    if (cause instanceof CodecError) throw cause;
    // After an abort, a trap or a C++ exception the instance's memory is in no known state.
    loading.delete(codec);
    throw new CodecError(`a whole ${codec} codestream`, 'one that cannot be decoded', { cause });
  } finally {
    try {
      decoder.delete();
    } catch {
      loading.delete(codec);
    }
  }
}

function decode(codec: WasmCodec, decoder: Decoder, coded: CodedFrame): DecodedFrame {
  const bytes = codec === 'jpeg-ls' ? withEnd(coded.bytes) : coded.bytes;
  decoder.getEncodedBuffer(bytes.length).set(bytes);
  decoder.decode();
  const { width, height, componentCount, bitsPerSample, isSigned } = decoder.getFrameInfo();
  checkFrameSize(coded, { rows: height, columns: width, samples: componentCount });
  const bits = codec === 'jpeg' ? 8 : bitsPerSample;
  const width8 = bits <= 8 ? 1 : 2;
  if (bits < 1 || bits > 16) throw new CodecError('1 to 16 bits a sample', `${bits}`);
  const decoded = decoder.getDecodedBuffer();
  const count = width * height * componentCount;
  if (decoded.length < count * width8) {
    throw new CodecError(`${count * width8} bytes of samples`, `${decoded.length}`);
  }
  // The module's memory is used again by the next call: the copy is the frame.
  const copy = decoded.slice(0, count * width8);
  const planar = componentCount > 1 && decoder.getInterleaveMode?.() === 0;
  const samples = planar ? interleaved(copy, componentCount, width8) : copy;
  const signed = isSigned && codec !== 'jpeg-ls' && codec !== 'jpeg';
  const values =
    width8 === 1
      ? signed
        ? new Int8Array(samples.buffer)
        : samples
      : signed
        ? new Int16Array(samples.buffer)
        : new Uint16Array(samples.buffer);
  return { values, bits, signed, rgb: false };
}

/** CharLS reads on and on where a scan ends without a marker: it gets one. */
function withEnd(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes, Uint8Array.of(0xff, 0xd9, 0xff, 0xd9)]);
}

function interleaved(planes: Uint8Array, samples: number, width: number): Uint8Array {
  const bytes = new Uint8Array(planes.length);
  const pixels = planes.length / samples / width;
  for (let sample = 0; sample < samples; sample += 1) {
    for (let pixel = 0; pixel < pixels; pixel += 1) {
      for (let byte = 0; byte < width; byte += 1) {
        bytes[(pixel * samples + sample) * width + byte] = planes[(sample * pixels + pixel) * width + byte]!;
      }
    }
  }
  return bytes;
}

function load(codec: WasmCodec): Promise<new () => Decoder> {
  const { module, decoder } = CODECS[codec];
  const known = loading.get(codec);
  if (known) return known;
  const silent = () => undefined;
  const factory = require(module) as Factory;
  const started = factory({ print: silent, printErr: silent }).then((loaded) => loaded[decoder]!);
  loading.set(codec, started);
  return started;
}
