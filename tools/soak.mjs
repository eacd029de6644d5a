#!/usr/bin/env node
/**
 * Loads a real encoder for `--minutes` with what production sends it: unary, streamed and Open Inference calls of several
 * shapes, cancelled calls, readers that do not read, connections that say nothing, and another model every so often. Prints
 * memory, tensors, open files and event-loop lag over time. Fails where one of the first three grows, where a call ends as
 * none may, or where an image at the end has other bits than at the beginning.
 */
import { parseArgs } from 'node:util';
import { startSoakedEncoder } from './soak/encoder.mjs';
import { growthOf, tableOf, watch } from './soak/growth.mjs';
import { startLoad } from './soak/load.mjs';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    /** Seconds between changes of the model. */
    swap: { type: 'string', default: '15' },
  },
});
const seconds = Number(values.minutes) * 60;
if (!(seconds > 0)) throw new Error(`--minutes ${values.minutes}: expected a positive number`);

const encoder = await startSoakedEncoder();
try {
  const before = await encoder.reference();
  const load = startLoad(encoder, { swapSeconds: Number(values.swap) });
  const samples = await watch(encoder, seconds);
  const outcomes = await load.stop();
  const after = await encoder.reference();
  const exit = await encoder.stop();

  const failures = [
    ...outcomes.unexpected,
    ...growthOf(samples),
    ...(Buffer.compare(before, after) === 0
      ? []
      : ['the reference image has other bits than at the beginning']),
    ...(exit === 0 ? [] : [`the encoder exited with ${exit}`]),
  ];
  const calls = Object.entries(outcomes.calls).map(([kind, ends]) => `${kind}: ${ends}`);
  process.stdout.write(`${tableOf(samples)}\n\n${calls.join('\n')}\n`);
  for (const failure of failures) process.stderr.write(`${failure}\n`);
  process.stdout.write(failures.length === 0 ? 'flat\n' : 'NOT flat\n');
  process.exitCode = failures.length === 0 ? 0 : 1;
} finally {
  await encoder.kill();
}
