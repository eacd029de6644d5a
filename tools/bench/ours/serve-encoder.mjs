/** The encoder service on a port, as its main file runs it. */
import { baseConfig, runService } from '../../../libs/rpc/dist/index.js';
import { encoderConfig } from '../../../services/encoder/dist/config.js';
import { encoder } from '../../../services/encoder/dist/index.js';
import { givenCase, serve } from '../serve.mjs';

const { store, checkpoint, shape, threads, maxBatch } = givenCase();
const config = baseConfig.extend(encoderConfig).parse({
  store,
  port: 0,
  metricsPort: 0,
  logLevel: 'error',
  encoderCheckpoint: checkpoint,
  encoderThreads: threads,
  encoderMaxBatch: maxBatch,
  encoderWarmUp: shape.join('x'),
});
const service = await runService('encoder', [encoder], config);
while ((await fetch(`http://127.0.0.1:${service.metricsPort}/readyz`)).status !== 200)
  await new Promise((resolve) => setTimeout(resolve, 100));
await serve(() => {}, { port: service.port });
await service.close();
