import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EncoderProcess } from '../spec/encoder-process.js';
import { EncoderUnderTest } from '../spec/encoder-service.js';

/** Built by tools/grpcurl.sh. */
const GRPCURL = fileURLToPath(new URL('../../../.cache/tools/bin/grpcurl', import.meta.url));

let under: EncoderUnderTest;
let encoder: EncoderProcess;
let checkpoint: string;
beforeAll(async () => {
  under = await EncoderUnderTest.create();
  const untrained = await under.untrained(1);
  untrained.model.dispose();
  checkpoint = untrained.checkpoint;
  encoder = await EncoderProcess.start(under.storeUrl, {
    'encoder-checkpoint': checkpoint,
    'encoder-threads': '1',
    'encoder-warm-up': '8x8x1',
  });
});
afterAll(async () => {
  await encoder?.stop();
  await under.close();
});

/** What grpcurl prints, which learns of services and messages by reflection alone. */
async function grpcurl(...argv: string[]): Promise<string> {
  const flags = argv[0] === '-d' ? argv.splice(0, 2) : [];
  const called = await promisify(execFile)(GRPCURL, [
    ...['-plaintext', ...flags, `127.0.0.1:${encoder.port}`, ...argv],
  ]);
  return called.stdout;
}

const call = async (method: string, request: object) =>
  JSON.parse(await grpcurl('-d', JSON.stringify(request), method));

const data = Buffer.alloc(64, 100).toString('base64');

it('lists and describes every service to grpcurl', async () => {
  expect((await grpcurl('list')).trim().split('\n').sort()).toEqual([
    'grpc.health.v1.Health',
    'inference.GRPCInferenceService',
    'medformer.encoder.v1.EncoderService',
  ]);
  expect(await grpcurl('describe', 'medformer.encoder.v1.EncoderService')).toMatch(
    /rpc EncodeStream \( stream \.medformer\.encoder\.v1\.EncodeStreamRequest \) returns \( stream/,
  );
  expect(await grpcurl('describe', 'inference.ModelInferRequest')).toContain('raw_input_contents');
});

it('answers health, its own contract and the Open Inference Protocol to grpcurl, both with the same embedding', async () => {
  expect(await call('grpc.health.v1.Health/Check', {})).toEqual({ status: 'SERVING' });
  const tensor = { dataType: 'DATA_TYPE_UINT8', shape: [8, 8, 1], data };
  const encoded = await call('medformer.encoder.v1.EncoderService/Encode', { tensor });
  expect(encoded.lineage.checkpoint).toBe(checkpoint);
  expect(encoded.embedding).toHaveLength(24);

  expect(await call('inference.GRPCInferenceService/ModelReady', { name: 'medformer' })).toEqual({
    ready: true,
  });
  const inferred = await call('inference.GRPCInferenceService/ModelInfer', {
    modelName: 'medformer',
    inputs: [{ name: 'image', datatype: 'UINT8', shape: ['1', '8', '8', '1'] }],
    rawInputContents: [data],
  });
  expect(inferred.outputs).toMatchObject([{ name: 'embedding', datatype: 'FP32', shape: ['1', '24'] }]);
  const bytes = Buffer.from(inferred.rawOutputContents[0], 'base64');
  const floats = Array.from({ length: 24 }, (_, at) => bytes.readFloatLE(4 * at));
  floats.forEach((value, at) => {
    expect(value).toBeCloseTo(encoded.embedding[at], 6);
  });
});

it('says what is wrong by a code that grpcurl shows', async () => {
  const refused = call('medformer.encoder.v1.EncoderService/Encode', {});
  await expect(refused).rejects.toMatchObject({ stderr: expect.stringContaining('Code: InvalidArgument') });
});
