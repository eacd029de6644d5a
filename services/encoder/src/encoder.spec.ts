import { readFile } from 'node:fs/promises';
import { status } from '@grpc/grpc-js';
import { isReferred } from '@medformer/checkpoint';
import { DataType } from '@medformer/gen/common';
import type { EncodeRequest } from '@medformer/gen/encoder';
import { encodePng, readImageFile } from '@medformer/imaging';
import { attend, attentionRollout, type Medformer } from '@medformer/medformer';
import { runId, sha256 } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  EncoderUnderTest,
  encodingProcesses,
  floats,
  pixels,
  tensor,
  type Untrained,
} from '../spec/encoder-service.js';

let under: EncoderUnderTest;
/** Two checkpoints and, in this process, the models they hold. */
let first: Untrained;
let second: Untrained;

beforeAll(async () => {
  under = await EncoderUnderTest.create();
  first = await under.untrained(1);
  second = await under.untrained(2);
  await under.serve();
});
afterAll(async () => {
  first.model.dispose();
  second.model.dispose();
  await under.close();
});

describe('before a model is loaded', () => {
  it('embeddings are refused, with the remedy', async () => {
    await expect(under.encode(pixels([8, 8, 1]))).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: 'no model is loaded: call LoadModel with a checkpoint first',
    });
    await expect(under.getModel()).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
  });

  it('a checkpoint that is none is refused', async () => {
    await expect(under.load('abc')).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(/^checkpoint: /),
    });
    await expect(under.load(sha256('nothing'))).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: expect.stringContaining(sha256('nothing')),
    });
  });
});

describe('a loaded model', () => {
  beforeAll(async () => {
    await under.load(first.checkpoint);
  });

  it('says what it is and where it comes from', async () => {
    expect(await under.getModel()).toEqual({
      lineage: lineageOf(first),
      width: 24,
      parameters: BigInt(first.model.parameters.size),
      modalities: ['ct', 'mri'],
      bodyParts: ['head'],
      step: 1n,
      method: 'simclr',
    });
  });

  it.each([
    [[8, 8, 1], DataType.DATA_TYPE_UINT8],
    [[9, 14, 3], DataType.DATA_TYPE_UINT8],
    [[8, 12, 1], DataType.DATA_TYPE_UINT16],
    [[6, 8, 10, 1], DataType.DATA_TYPE_FLOAT32],
  ])('embeds pixels of %j, type %i, as the model does in its own process', async (shape, dataType) => {
    const request = pixels(shape, dataType);
    const { embedding, lineage, timing, notes } = await under.encode(request, 'ct', 'head');

    expectClose(embedding, embeddingOf(first.model, valuesOf(request), shape, 'ct', 'head'));
    expect(lineage).toEqual(lineageOf(first));
    expect(notes).toEqual([]);
    expect(Object.values(timing!).every((ms) => ms >= 0)).toBe(true);
  });

  it('embeds a PNG, a NIfTI volume and a DICOM slice as ingestion would store them', async () => {
    const grey = Uint8Array.from({ length: 20 * 30 }, (_, at) => (at * 7) % 256);
    const files: [string, Uint8Array, string][] = [
      ['scan.png', await encodePng({ shape: [20, 30, 1], pixels: grey }), 'mri'],
      ['anatomical.nii', await fixture('mri/anatomical.nii'), 'mri'],
      ['CT_small.dcm', await fixture('ct/CT_small.dcm'), 'ct'],
    ];
    for (const [name, content, modality] of files) {
      const { embedding } = await under.encode(
        { $case: 'file', value: { name, content: Buffer.from(content) } },
        modality,
        'head',
      );

      const read = await readImageFile(content, name, modality);
      const scale = read.pixels instanceof Uint8Array ? 255 : 65_535;
      const values = Float32Array.from(read.pixels, (value) => value / scale);
      expectClose(embedding, embeddingOf(first.model, values, read.shape, modality, read.bodyPart ?? 'head'));
    }
  });

  it('says when it had no code for what was named, and takes the file at its word', async () => {
    const unnamed = await under.encode(pixels([8, 8, 1]));
    const unknown = await under.encode(pixels([8, 8, 1]), 'pet', 'hand');
    const content = Buffer.from(await fixture('ct/CT_small.dcm'));
    const dicom = await under.encode({ $case: 'file', value: { name: 'a.dcm', content } }, 'pet', 'head');

    expect(unnamed.notes).toEqual([
      'no modality was named: the shared code was used',
      'no body part was named: the shared code was used',
    ]);
    expect(unknown.notes).toEqual([
      'modality "pet" has no trained code: the shared code was used',
      'body part "hand" has no trained code: the shared code was used',
    ]);
    expectClose(unknown.embedding, unnamed.embedding);
    // The file says CT, which has a code.
    expect(dicom.notes.filter((note) => note.startsWith('modality'))).toEqual([]);
  });

  it.each([
    [[9, 14, 3], [3, 4], 4],
    [[12, 8, 20, 1], [2, 1, 3], 8],
  ])(
    'says what the embedding of %j is read from, as the model does in its own process',
    async (shape, grid, patch) => {
      const tokens = grid.reduce((product, edge) => product * edge, 1);
      const image = pixels(shape);
      const layers = ['input/cross-attention', 'body/00/attention'];
      const answer = await under.attention({ image, modality: 'ct', bodyPart: 'head', layers });

      const input = tf.tensor(valuesOf(image), [1, ...shape]);
      const { maps, embedding } = attend(first.model, input, { modality: ['ct'], bodyPart: ['head'] });
      const heat = attentionRollout(maps);
      expect(answer.grid).toEqual(grid);
      expect(answer).toMatchObject({
        patch,
        spatial: shape.slice(0, -1),
        notes: [],
        lineage: lineageOf(first),
      });
      expect(answer.image).toMatchObject({
        shape,
        data: Buffer.from(image?.$case === 'tensor' ? image.value.data : []),
      });
      expect(answer.heat.length).toBe(tokens);
      expect(answer.heat.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
      expectClose(answer.heat, [...heat.dataSync()]);
      expect(answer.maps.map(({ layer, weights }) => [layer, weights!.shape])).toEqual([
        ['input/cross-attention', [3, 4, tokens]],
        ['body/00/attention', [3, 4, 4]],
      ]);
      for (const { layer, weights } of answer.maps) {
        expectClose(
          [...new Float32Array(Uint8Array.from(weights!.data).buffer)],
          [...maps.get(layer)!.dataSync()],
        );
      }
      expect(answer.layers).toContain('output/cross-attention');
      tf.dispose([input, embedding, heat, ...maps.values()]);
    },
  );

  it('sends no map that was not asked for, and refuses one that it does not have', async () => {
    const image = pixels([8, 8, 1]);
    expect((await under.attention({ image, modality: 'ct', bodyPart: 'head', layers: [] })).maps).toEqual([]);
    await expect(
      under.attention({ image, modality: 'ct', bodyPart: 'head', layers: ['body/99/attention'] }),
    ).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(
        /^request: layers: expected input\/cross-attention, .*, found body\/99\/attention$/,
      ),
    });
  });

  it.each<[string, EncodeRequest['image'], RegExp]>([
    ['neither pixels nor file', undefined, /^request: image: expected a tensor or a file, found neither$/],
    [
      'too few bytes',
      tensor([8, 8, 1], DataType.DATA_TYPE_UINT8, Buffer.alloc(63)),
      /^request: tensor\.data: expected 64 bytes for \[8,8,1\], found 63 bytes$/,
    ],
    [
      'too many bytes',
      tensor([2, 2, 1], DataType.DATA_TYPE_FLOAT32, Buffer.alloc(20)),
      /^request: tensor\.data: expected 16 bytes for \[2,2,1\], found 20 bytes$/,
    ],
    [
      'a pixel that is no number',
      floats([2, 2, 1], [0, 1, Number.NaN, 1]),
      /^image: pixel 2: expected a number in \[0, 1\], found NaN$/,
    ],
    [
      'a pixel beyond the range',
      floats([2, 2, 1], [0, 1, 0.5, 1.5]),
      /^image: pixel 3: expected a number in \[0, 1\], found 1\.5$/,
    ],
    [
      'a type that is not taken',
      tensor([2, 2, 1], DataType.DATA_TYPE_INT16, Buffer.alloc(8)),
      /^request: tensor\.data_type: expected uint8, uint16 or float32, found DATA_TYPE_INT16$/,
    ],
    [
      'no type',
      tensor([2, 2, 1], DataType.DATA_TYPE_UNSPECIFIED, Buffer.alloc(4)),
      /^request: tensor\.data_type: /,
    ],
    [
      'a type from the future',
      tensor([2, 2, 1], 99 as DataType, Buffer.alloc(4)),
      /^request: tensor\.data_type: /,
    ],
    ['a shape of two axes', tensor([2, 2], DataType.DATA_TYPE_UINT8, Buffer.alloc(4)), /^tensor\.shape: /],
    ['an empty edge', tensor([2, 0, 1], DataType.DATA_TYPE_UINT8, Buffer.alloc(0)), /^tensor\.shape: 1: /],
    [
      'a file of another kind',
      { $case: 'file', value: { name: 'scan.bmp', content: Buffer.alloc(9) } },
      /^scan\.bmp: format: expected .*\.png.*, found another ending$/,
    ],
    [
      'a PNG that is none',
      { $case: 'file', value: { name: 'scan.png', content: Buffer.from('not a PNG') } },
      /^scan\.png: /,
    ],
  ])('refuses %s, saying what it expected', async (_, image, details) => {
    await expect(under.encode(image)).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(details),
    });
  });

  it('answers again after its process was killed, also the calls that were under way', async () => {
    const request = pixels([8, 8, 1]);
    const expected = (await under.encode(request)).embedding;
    const underWay = Array.from({ length: 8 }, () => under.encode(request));
    for (const pid of encodingProcesses()) process.kill(pid, 'SIGKILL');
    const afterwards = Array.from({ length: 4 }, () => under.encode(request));

    for (const { embedding, lineage } of await Promise.all([...underWay, ...afterwards])) {
      expectClose(embedding, expected);
      expect(lineage).toEqual(lineageOf(first));
    }
    expect(encodingProcesses()).toHaveLength(1);
  });

  it('gives way to another under eight callers without one failed call, each answered by the model it names', async () => {
    const request = pixels([8, 8, 1]);
    const byCheckpoint = new Map(
      [first, second].map(({ checkpoint, model }) => [
        checkpoint,
        embeddingOf(model, valuesOf(request), [8, 8, 1]),
      ]),
    );
    const answeredBefore: string[] = [];
    const answeredAfter: string[] = [];
    let loaded = false;
    let callsAfter = 0;
    const caller = async () => {
      while (!loaded || callsAfter < 8) {
        const begunAfter = loaded;
        if (begunAfter) callsAfter += 1;
        const { embedding, lineage } = await under.encode(request);
        // A call that was under way finishes on the old model, however late.
        if (begunAfter) answeredAfter.push(lineage!.checkpoint);
        else answeredBefore.push(lineage!.checkpoint);
        expectClose(embedding, byCheckpoint.get(lineage!.checkpoint)!);
      }
    };
    const callers = Array.from({ length: 8 }, caller);
    await under.load(second.checkpoint);
    loaded = true;
    await Promise.all(callers);

    expect(answeredBefore).toContain(first.checkpoint);
    expect(new Set(answeredAfter)).toEqual(new Set([second.checkpoint]));
    expect((await under.getModel()).lineage).toEqual(lineageOf(second));
  });

  it('stays when another cannot be loaded', async () => {
    await under.load(second.checkpoint);
    await expect(under.load(sha256('nothing'))).rejects.toMatchObject({ code: status.NOT_FOUND });

    expect((await under.encode(pixels([8, 8, 1]))).lineage).toEqual(lineageOf(second));
  });

  it('is kept from being pruned as long as it serves or can be rolled back to', async () => {
    const referred = () =>
      Promise.all([first, second].map(({ checkpoint }) => isReferred(under.store, checkpoint)));
    await under.load(first.checkpoint);
    await under.unload(second.checkpoint).catch(() => undefined);
    expect(await referred()).toEqual([true, false]);
    await under.load(second.checkpoint);
    // The one before can be rolled back to.
    expect(await referred()).toEqual([true, true]);
    await under.unload(first.checkpoint);
    expect(await referred()).toEqual([false, true]);
    await under.serve({ encoderCheckpoint: first.checkpoint });
    expect(await referred()).toEqual([true, true]);
    await under.serve();
    await expect(under.load(sha256('nothing'))).rejects.toMatchObject({ code: status.NOT_FOUND });
    expect(await isReferred(under.store, sha256('nothing'))).toBe(false);
  });

  it('is the one that was chosen last when the service starts again, or the configured one', async () => {
    await under.load(second.checkpoint);
    await under.serve();
    expect((await under.getModel()).lineage).toEqual(lineageOf(second));
    expect((await under.encode(pixels([8, 8, 1]))).lineage).toEqual(lineageOf(second));

    await under.serve({ encoderCheckpoint: first.checkpoint });
    expect((await under.getModel()).lineage).toEqual(lineageOf(first));
  });
});

/** The pixels of a tensor in [0, 1]. */
function valuesOf(image: EncodeRequest['image']): Float32Array {
  if (image?.$case !== 'tensor') throw new Error('not a tensor');
  const { dataType, data } = image.value;
  const { buffer } = Uint8Array.from(data);
  if (dataType === DataType.DATA_TYPE_FLOAT32) return new Float32Array(buffer);
  if (dataType === DataType.DATA_TYPE_UINT8) return Float32Array.from(data, (value) => value / 255);
  return Float32Array.from(new Uint16Array(buffer), (value) => value / 65_535);
}

function embeddingOf(
  model: Medformer,
  values: Float32Array,
  shape: number[],
  modality = '',
  bodyPart = '',
): number[] {
  const names = { modality: [modality], bodyPart: [bodyPart] };
  return tf.tidy(() => [...model.embed(tf.tensor(values, [1, ...shape]), names).dataSync()]);
}

function expectClose(found: number[], expected: number[]): void {
  expect(found.length).toBe(expected.length);
  expect(Math.max(...found.map((value, at) => Math.abs(value - expected[at]!)))).toBeLessThan(1e-5);
}

function lineageOf({ checkpoint, spec }: typeof first) {
  return { checkpoint, run: runId(spec), dataset: spec.dataset, codeVersion: 'test' };
}

function fixture(path: string): Promise<Buffer> {
  return readFile(new URL(`../../../e2e/fixtures/real-images/${path}`, import.meta.url));
}
