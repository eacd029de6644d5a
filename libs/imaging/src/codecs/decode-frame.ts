import type { CodedFrame, DecodedFrame } from './coded-frame.js';
import { decodeJpeg } from './jpeg.js';
import { decodeJpegLossless } from './jpeg-lossless.js';
import { decodeRle } from './rle.js';
import { decodeByWasm } from './wasm-codecs.js';

/** How the frames of a transfer syntax are compressed. */
export type FrameCodec = 'rle' | 'jpeg' | 'jpeg-lossless' | 'jpeg-ls' | 'jpeg-2000' | 'htj2k';

/**
 * @param photometric PhotometricInterpretation; decides on the colour transform of lossy JPEG.
 * @throws CodecError
 */
export async function decodeFrame(
  codec: FrameCodec,
  coded: CodedFrame,
  photometric: string,
): Promise<DecodedFrame> {
  switch (codec) {
    case 'rle':
      return decodeRle(coded);
    case 'jpeg':
      return decodeJpeg(coded, photometric);
    case 'jpeg-lossless':
      return decodeJpegLossless(coded);
    case 'jpeg-2000': {
      const decoded = await decodeByWasm(codec, coded);
      return { ...decoded, rgb: /^YBR_(ICT|RCT)$/.test(photometric) };
    }
    case 'htj2k': {
      const decoded = await decodeByWasm(codec, coded);
      return { ...decoded, rgb: /^YBR_(ICT|RCT)$/.test(photometric) };
    }
    case 'jpeg-ls':
      return decodeByWasm(codec, coded);
  }
}
