import { describe, expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from './safetensors.js';

const TENSORS = new Map<string, StoredTensor>([
  ['bytes', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) }],
  ['weights', { dtype: 'F32', shape: [2, 2], data: Float32Array.of(0.5, -1, 2, 1e-20) }],
  ['short', { dtype: 'U16', shape: [1], data: Uint16Array.of(65_535) }],
  ['rows', { dtype: 'I32', shape: [2], data: Int32Array.of(-1, 7) }],
  ['none', { dtype: 'F32', shape: [0, 4], data: new Float32Array() }],
]);
const METADATA = { run: 'x', step: '3' };

describe('safetensors', () => {
  it('read back what was written', () => {
    const { tensors, metadata } = decodeSafetensors(
      encodeSafetensors({ tensors: TENSORS, metadata: METADATA }),
      'f',
    );

    expect(metadata).toEqual(METADATA);
    expect(new Map([...tensors].sort())).toEqual(new Map([...TENSORS].sort()));
  });

  it('are the same bytes whatever the order of the tensors', () => {
    const reversed = new Map([...TENSORS].reverse());

    expect(encodeSafetensors({ tensors: reversed, metadata: METADATA })).toEqual(
      encodeSafetensors({ tensors: TENSORS, metadata: METADATA }),
    );
  });

  it.each([1, 2, 3, 4, 7])('are read at any place within a larger buffer: byte %i', (before) => {
    const bytes = encodeSafetensors({ tensors: TENSORS, metadata: METADATA });
    const within = Buffer.concat([Buffer.alloc(before), bytes]).subarray(before);

    expect(decodeSafetensors(within, 'f')).toEqual(decodeSafetensors(bytes, 'f'));
  });

  it.each<[string, (bytes: Buffer) => Buffer, RegExp]>([
    ['a few bytes', () => Buffer.alloc(5), /^f: header length: expected at least 8 bytes, found 5 bytes$/],
    [
      'a header longer than the file',
      (bytes) => bytes.subarray(0, 40),
      /^f: header length: expected at most 32 bytes/,
    ],
    [
      'a cut-off tensor',
      (bytes) => bytes.subarray(0, -1),
      /^f: .*\.data_offsets: expected .* within the file/,
    ],
    ['a header that is no JSON', (bytes) => set(bytes, 8, 'x'), /^f: header: expected a JSON object/],
    [
      'another type',
      (bytes) => replace(bytes, '"U16"', '"F64"'),
      /^f: short\.dtype: expected F32 or I32 or U8 or U16, found F64$/,
    ],
    [
      'a shape that does not fit',
      (bytes) => replace(bytes, '[2,2]', '[2,3]'),
      /^f: weights\.data_offsets: expected 24 bytes/,
    ],
  ])('with %s are refused, naming the file and the field', (_, damage, message) => {
    const bytes = damage(encodeSafetensors({ tensors: TENSORS, metadata: METADATA }));

    expect(() => decodeSafetensors(bytes, 'f')).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });
});

function set(bytes: Buffer, at: number, text: string): Buffer {
  bytes.write(text, at);
  return bytes;
}

function replace(bytes: Buffer, from: string, to: string): Buffer {
  return set(bytes, bytes.indexOf(from), to);
}
