import { type ServiceError, status } from '@grpc/grpc-js';
import { putPromotion } from '@medformer/checkpoint';
import { GateSpec, sha256 } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EncoderUnderTest, pixels } from '../spec/encoder-service.js';

const GATED = { encoderPromotedOnly: true };

let under: EncoderUnderTest;
let first: string;
let second: string;
let third: string;
beforeAll(async () => {
  under = await EncoderUnderTest.create();
  const models = [await under.untrained(1), await under.untrained(2), await under.untrained(3)];
  for (const { model } of models) model.dispose();
  [first, second, third] = models.map(({ checkpoint }) => checkpoint) as [string, string, string];
});
afterAll(async () => {
  await under.close();
});

/** The verdict of a gate, as the evaluation service keeps it. */
async function verdict(candidate: string, served: string | undefined, promoted = true): Promise<void> {
  const gate = GateSpec.parse({ dataset: sha256('dataset'), task: 'region', minimum: 0.5 });
  await putPromotion(under.store, {
    kind: 'medformer.promotion.v1',
    gate,
    candidate,
    ...(served ? { served } : {}),
    report: sha256('report'),
    score: 0.9,
    promoted,
    reasons: [],
    codeVersion: 'test',
  });
}

const answering = async () =>
  (
    await under
      .encode(pixels([8, 8, 1]))
      .catch((error: ServiceError) => ({ lineage: { checkpoint: status[error.code] } }))
  ).lineage!.checkpoint;
const refused = (text: RegExp) => ({
  code: status.FAILED_PRECONDITION,
  details: expect.stringMatching(text),
});

describe('an encoder that serves by default only what a gate promoted', () => {
  it('does not begin with what was chosen before gates were asked for, until a gate promotes that', async () => {
    await under.serve();
    await under.load(first);
    expect(await answering()).toBe(first);
    await under.serve(GATED);
    expect(await answering()).toBe('FAILED_PRECONDITION');
    // Loading what is chosen already is no way around the gate.
    await expect(under.load(first)).rejects.toMatchObject(refused(/no gate ever promoted it/));
    await verdict(first, undefined, false);
    await expect(under.load(first)).rejects.toMatchObject(refused(/no gate ever promoted it/));
    await verdict(first, undefined);
    await under.load(first);
    expect(await answering()).toBe(first);
    await under.serve(GATED);
    expect(await answering()).toBe(first);
  });

  it('keeps others beside the default under their names, and lets none take its place without a verdict', async () => {
    await under.load(second, { standby: true, alias: 'candidate' });
    const by = await under.encode(pixels([8, 8, 1]), '', '', { model: 'candidate' });
    expect(by.lineage!.checkpoint).toBe(second);
    await expect(under.setDefault('candidate')).rejects.toMatchObject(refused(/no gate promoted it over/));
    await expect(under.load(second)).rejects.toMatchObject(refused(/no gate promoted it over/));
    // Over nothing is not over what answers.
    await verdict(second, undefined);
    await expect(under.setDefault('candidate')).rejects.toMatchObject(refused(/no gate promoted it over/));
    await verdict(second, first);
    await under.setDefault('candidate');
    expect(await answering()).toBe(second);
    await under.rollBack();
    expect(await answering()).toBe(first);
  });

  it('rolls back to nothing that no gate saw, and follows no encoder that asks for none', async () => {
    await under.serve();
    await under.load(third);
    await under.load(first);
    await under.serve(GATED);
    expect(await answering()).toBe(first);
    await expect(under.rollBack()).rejects.toMatchObject(refused(/no gate ever promoted it/));
    expect(await answering()).toBe(first);
  });

  it('begins with a configured checkpoint only by a verdict', async () => {
    await under.serve({ ...GATED, encoderCheckpoint: third });
    expect(await answering()).toBe('FAILED_PRECONDITION');
    await under.serve({ ...GATED, encoderCheckpoint: second });
    expect(await answering()).toBe(second);
  });
});
