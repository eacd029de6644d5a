import { once } from 'node:events';
import { status } from '@grpc/grpc-js';
import { DataType } from '@medformer/gen/common';
import {
  EncodeRequest,
  type EncodeStreamRequest,
  type EncodeStreamResponse,
  Priority,
} from '@medformer/gen/encoder';
import { encodePng } from '@medformer/imaging';
import { metrics } from '@medformer/telemetry';
import { tf } from '@medformer/tensorflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  EncoderUnderTest,
  encodingProcesses,
  pixels,
  tensor,
  type Untrained,
  worstDifference,
} from '../spec/encoder-service.js';

/** One after the other. */
async function inTurn<Item, Answer>(
  items: Item[],
  ask: (item: Item, at: number) => Promise<Answer>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const [at, item] of items.entries()) answers.push(await ask(item, at));
  return answers;
}

let under: EncoderUnderTest;
let models: [Untrained, Untrained, Untrained];
const addresses = () => models.map(({ checkpoint }) => checkpoint) as [string, string, string];

beforeAll(async () => {
  under = await EncoderUnderTest.create();
  models = [await under.untrained(1), await under.untrained(2), await under.untrained(3)];
  await under.serve();
  await under.load(models[0].checkpoint);
});
afterAll(async () => {
  for (const { model } of models) model.dispose();
  await under.close();
});

describe('a batch', () => {
  it('gives an image the same bits in any company at one size, and the same but for rounding at any', async () => {
    const shape = [8, 8, 1];
    const image = pixels(shape);
    const alone = await under.encode(image, 'ct', 'head');
    expect(alone.timing!.batchImages).toBe(1);
    const bySize = new Map([[1, alone.embedding]]);
    for (let seed = 1; seed <= 40; seed += 1) {
      // Others differ in pixels, type, codes and number from call to call.
      const others = Array.from({ length: 1 + (seed % 12) }, (_, at) =>
        under.encode(
          pixels(shape, at % 2 ? undefined : DataType.DATA_TYPE_FLOAT32, 100 * seed + at),
          'mri',
          '',
        ),
      );
      const place = under.encode(image, 'ct', 'head');
      const { embedding, timing } = await place;
      await Promise.all(others);
      const size = [1, 2, 4, 8].find((each) => each >= timing!.batchImages)!;
      expect(worstDifference(embedding, alone.embedding)).toBeLessThan(2e-6);
      const known = bySize.get(size) ?? embedding;
      bySize.set(size, known);
      expect(embedding).toEqual(known);
    }
    expect(bySize.size).toBeGreaterThan(2);
  });

  it('is of one shape: images of several come back each as when alone', async () => {
    const shapes = [
      [8, 8, 1],
      [8, 12, 1],
      [9, 14, 3],
      [6, 8, 10, 1],
    ];
    const alone: number[][] = [];
    for (const shape of shapes) alone.push((await under.encode(pixels(shape))).embedding);
    const together = await Promise.all(
      Array.from({ length: 24 }, (_, at) => under.encode(pixels(shapes[at % shapes.length]!))),
    );
    together.forEach(({ embedding }, at) => {
      expect(worstDifference(embedding, alone[at % shapes.length]!)).toBeLessThan(2e-6);
    });
    expect(Math.max(...together.map(({ timing }) => timing!.batchImages))).toBeGreaterThan(1);
  });

  it('takes images of any size that no training saw, each resampled as when alone', async () => {
    const fitted = await under.untrained(4, [
      [8, 8],
      [12, 8],
      [8, 8, 8],
    ]);
    await under.load(fitted.checkpoint, { standby: true, alias: 'fitted' });
    const ask = (shape: number[], seed: number) =>
      under.encode(pixels(shape, undefined, seed), 'ct', 'head', { model: 'fitted' });
    const sizes = Array.from({ length: 24 }, (_, at) => [5 + (at % 7), 5 + (at % 5), 1]);
    const alone = await inTurn(sizes, ask);
    const together = await Promise.all(sizes.map(ask));
    together.forEach(({ embedding, notes }, at) => {
      expect(worstDifference(embedding, alone[at]!.embedding)).toBeLessThan(2e-6);
      expect(notes).toEqual(alone[at]!.notes);
    });
    expect(Math.max(...together.map(({ timing }) => timing!.batchImages))).toBeGreaterThan(4);
    // The model's own way from pixels to embedding, resampling within.
    const [shape, seed] = [sizes[3]!, 3];
    const image = pixels(shape, undefined, seed);
    if (image?.$case !== 'tensor') throw new Error('expected a tensor');
    const input = tf.tensor(
      Float32Array.from(image.value.data, (value) => value / 255),
      [1, ...shape],
    );
    const expected = fitted.model.embed(input, { modality: ['ct'], bodyPart: ['head'] });
    expect(worstDifference(together[3]!.embedding, expected.dataSync())).toBeLessThan(2e-6);
    tf.dispose([input, expected]);
    fitted.model.dispose();
    await under.unload('fitted');
  });

  it('with an image that is refused gives the others the bits they have without it', async () => {
    const bad = tensor(
      [8, 8, 1],
      DataType.DATA_TYPE_FLOAT32,
      Buffer.from(new Float32Array(64).fill(Number.NaN).buffer),
    );
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, (_, at) => under.encode(at === 3 ? bad : pixels([8, 8, 1], undefined, at))),
    );
    expect(outcomes.flatMap(({ status: outcome }, at) => (outcome === 'rejected' ? [at] : []))).toEqual([3]);
    expect(outcomes[3]).toMatchObject({ reason: { code: status.INVALID_ARGUMENT } });
  });
});

describe('under load', () => {
  it('refuses what finds no place with the reason, gives places of bulk images to urgent ones, answers every call', async () => {
    await under.serve({ encoderMaxBatch: 1, encoderMaxQueue: 4 });
    const image = pixels([8, 8, 1]);
    await under.encode(image);
    const ask = (priority: Priority) =>
      under.encode(image, '', '', { priority }).then(
        () => 'ok',
        ({ code, details }) => `${status[code]} ${details.split(':')[0]}`,
      );
    const [computing] = encodingProcesses();
    process.kill(computing!, 'SIGSTOP');
    // Of the first four two are handed over, two more find their places; the rest is refused.
    const bulk = Array.from({ length: 8 }, () => ask(Priority.PRIORITY_BULK));
    await Promise.race(bulk);
    const more = Array.from({ length: 8 }, () => ask(Priority.PRIORITY_BULK));
    await Promise.race(more);
    const urgent = [ask(Priority.PRIORITY_INTERACTIVE), ask(Priority.PRIORITY_INTERACTIVE)];
    await expect
      .poll(() => metrics.getSingleMetricAsString('medformer_encoder_requests_total'), { timeout: 20_000 })
      .toMatch(/reason="displaced"\} 2/);
    process.kill(computing!, 'SIGCONT');
    expect(await Promise.all(urgent)).toEqual(['ok', 'ok']);
    expect((await Promise.all([...bulk, ...more])).toSorted()).toEqual([
      ...Array(2).fill('RESOURCE_EXHAUSTED displaced'),
      ...Array(10).fill('RESOURCE_EXHAUSTED queue-full'),
      ...Array(4).fill('ok'),
    ]);
    await under.serve();
  });

  it('an image beyond the bytes that may wait, or the values that an image may have, is refused', async () => {
    await under.serve({ encoderMaxQueueBytes: 1000, encoderMaxPixels: 500 });
    await expect(under.encode(pixels([20, 60, 1]))).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringMatching(/^bytes-full: /),
    });
    await expect(under.encode(pixels([20, 30, 1]))).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'request: tensor.shape: expected at most 500 values, found [20,30,1]',
    });
    const content = Buffer.from(await encodePng({ shape: [30, 40, 1], pixels: new Uint8Array(1200) }));
    await expect(under.encode({ $case: 'file', value: { name: 'a.png', content } })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'a.png: shape: expected at most 500 values, found [30,40,1]',
    });
    expect((await under.encode(pixels([8, 8, 1]))).embedding).toHaveLength(24);
    await under.serve();
  });

  it('shows its stages, batches and queue as metrics', async () => {
    await Promise.all(Array.from({ length: 6 }, () => under.encode(pixels([8, 8, 1]))));
    const text = await metrics.metrics();
    for (const stage of ['queue', 'input', 'infer', 'output']) {
      expect(text).toMatch(new RegExp(`medformer_encoder_stage_seconds_count\\{stage="${stage}"\\} [1-9]`));
    }
    expect(text).toMatch(/medformer_encoder_batch_size_count [1-9]/);
    expect(text).toMatch(/medformer_encoder_requests_total\{outcome="ok",reason="none"\} [1-9]/);
    expect(text).toMatch(/medformer_encoder_requests_total\{outcome="shed",reason="queue-full"\} [1-9]/);
    expect(text).toMatch(/medformer_encoder_images_total [1-9]/);
    expect(text).toMatch(/medformer_encoder_queue_depth 0\n/);
    expect(text).toMatch(/medformer_encoder_pending_bytes 0\n/);
    expect(text).toMatch(/medformer_encoder_models_loaded 1\n/);
  });
});

describe('a stream', () => {
  it('answers in order, an image that is refused by its error, and goes on', async () => {
    const answers = await stream(
      Array.from({ length: 60 }, (_, at) => {
        const file = { $case: 'file' as const, value: { name: 'scan.png', content: Buffer.from('no PNG') } };
        const shape = at % 3 === 0 ? [24, 24, 24, 1] : [8, 8, 1];
        return itemOf(String(at), at % 10 === 7 ? file : pixels(shape, undefined, at));
      }),
    );
    expect(answers.map(({ id }) => id)).toEqual(Array.from({ length: 60 }, (_, at) => String(at)));
    answers.forEach(({ outcome }, at) => {
      if (at % 10 !== 7) expect(outcome).toMatchObject({ $case: 'response' });
      else
        expect(outcome).toMatchObject({
          $case: 'error',
          value: { code: status.INVALID_ARGUMENT, message: expect.stringMatching(/^scan\.png: /) },
        });
    });
    const sizes = answers.flatMap(({ outcome }) =>
      outcome?.$case === 'response' ? [outcome.value.timing!.batchImages] : [],
    );
    expect(Math.max(...sizes)).toBeGreaterThan(1);
  });

  it('of more images than find a place waits in place of being refused', async () => {
    await under.serve({ encoderMaxBatch: 4, encoderMaxQueue: 3 });
    const answers = await stream(
      Array.from({ length: 50 }, (_, at) => itemOf(String(at), pixels([8, 8, 1]))),
    );
    expect(answers.every(({ outcome }) => outcome?.$case === 'response')).toBe(true);
    await under.serve();
  });

  it('an image without a request or with an answer of no use any more is an error of its own', async () => {
    const late = { ...itemOf('late', pixels([32, 32, 32, 1])), timeoutMs: 0.001 };
    const answers = await stream([
      { id: 'none', request: undefined, timeoutMs: 0 },
      late,
      itemOf('good', pixels([8, 8, 1])),
    ]);
    expect(
      answers.map(({ id, outcome }) => [id, outcome?.$case === 'error' ? outcome.value.code : 0]),
    ).toEqual([
      ['none', status.INVALID_ARGUMENT],
      ['late', status.DEADLINE_EXCEEDED],
      ['good', 0],
    ]);
  });

  it('whose reader is slow reads no more requests than its window, and ends when it is cancelled', async () => {
    const call = under.client.encodeStream();
    call.on('error', () => undefined);
    const image = pixels([64, 64, 1]);
    const before = await encodedImages();
    for (let at = 0; at < 4000; at += 1) call.write(itemOf(String(at), image));
    await once(call, 'data');
    call.pause();
    // Nobody reads on: once window and transport are full, no more is read or computed.
    let now = before;
    await expect
      .poll(
        async () => {
          const last = now;
          now = await encodedImages();
          return now > before && now === last;
        },
        { timeout: 60_000, interval: 500 },
      )
      .toBe(true);
    expect(now - before).toBeLessThan(3000);
    call.cancel();
    await expect
      .poll(async () => metrics.getSingleMetricAsString('medformer_encoder_queue_depth'), { timeout: 20_000 })
      .toMatch(/ 0$/);
    expect((await under.encode(image)).embedding).toHaveLength(24);
  });
});

describe('several models', () => {
  it('answer by checkpoint and alias, change places without a failed call, and roll back at once', async () => {
    const [first, second, third] = addresses();
    await under.serve({ encoderMaxModels: 3 });
    await under.load(second, { standby: true, alias: 'canary' });
    const by = async (model: string) =>
      (await under.encode(pixels([8, 8, 1]), '', '', { model })).lineage!.checkpoint;
    expect([await by(''), await by('canary'), await by(second), await by(first)]).toEqual([
      first,
      second,
      second,
      first,
    ]);
    await expect(by('other')).rejects.toMatchObject({ code: status.NOT_FOUND });

    let over = false;
    const failures: unknown[] = [];
    const callers = Array.from({ length: 6 }, async () => {
      while (!over) await by('').catch((error) => failures.push(error));
    });
    await under.setDefault('canary');
    expect(await by('')).toBe(second);
    await under.load(third);
    expect(await by('')).toBe(third);
    expect(places(await under.listModels())).toEqual({ [third]: 'default', [second]: 'previous canary' });
    expect((await under.rollBack()).lineage!.checkpoint).toBe(second);
    expect(await by('')).toBe(second);
    expect((await under.rollBack()).lineage!.checkpoint).toBe(third);
    over = true;
    await Promise.all(callers);
    expect(failures).toEqual([]);
  });

  it('are found again by the next start, the one to roll back to when it is asked for', async () => {
    const [first, second, third] = addresses();
    await under.serve({ encoderMaxModels: 3 });
    await expect
      .poll(async () => places(await under.listModels()), { timeout: 60_000 })
      .toEqual({
        [third]: 'default',
        [second]: 'previous canary',
      });
    await under.load(first);
    await under.unload('canary');
    await under.serve();
    expect(places(await under.listModels())).toEqual({ [first]: 'default' });
    expect((await under.rollBack()).lineage!.checkpoint).toBe(third);
    expect(places(await under.listModels())).toEqual({ [third]: 'default', [first]: 'previous' });
  });

  it('are as many as may be: the one to roll back to gives way, one that has a name does not', async () => {
    const [first, second, third] = addresses();
    await under.load(second);
    expect(places(await under.listModels())).toEqual({ [second]: 'default', [third]: 'previous' });
    await under.load(first, { standby: true });
    expect(places(await under.listModels())).toEqual({ [second]: 'default', [first]: '' });
    await expect(under.load(third, { standby: true })).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: '2 models are loaded, at most 2 may be: unload one first',
    });
    await expect(under.unload(second)).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
    await expect(under.load(third, { alias: 'Not A Name' })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });
});

async function encodedImages(): Promise<number> {
  const text = await metrics.getSingleMetricAsString('medformer_encoder_images_total');
  return Number(/(\d+)$/.exec(text)![1]);
}

function itemOf(id: string, image: EncodeRequest['image']): EncodeStreamRequest {
  return { id, request: EncodeRequest.create({ image }), timeoutMs: 0 };
}

async function stream(items: EncodeStreamRequest[]): Promise<EncodeStreamResponse[]> {
  const call = under.client.encodeStream();
  for (const item of items) call.write(item);
  call.end();
  const answers: EncodeStreamResponse[] = [];
  for await (const answer of call) answers.push(answer as EncodeStreamResponse);
  return answers;
}

/** What each loaded model is, by checkpoint. */
function places(models: Awaited<ReturnType<EncoderUnderTest['listModels']>>): Record<string, string> {
  return Object.fromEntries(
    models.map(({ model, isDefault, isPrevious, aliases }) => [
      model!.lineage!.checkpoint,
      [...(isDefault ? ['default'] : []), ...(isPrevious ? ['previous'] : []), ...aliases].join(' '),
    ]),
  );
}
