/** The bench's line protocol, Node's end: a warm process that does a round when stdin tells it to (see peers/serve.py). */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export const MARK = '@bench ';
const LEAST = 3;

/**
 * Announces `facts`, then answers `{round: seconds}` with the milliseconds of each call of `work`, and
 * `{ask: name, with: {...}}` with what the function of that name returns, until stdin ends.
 */
export async function serve(work, facts, asks = {}) {
  say({ ready: facts });
  for await (const line of createInterface({ input: process.stdin })) {
    const message = JSON.parse(line);
    try {
      const answer =
        'round' in message ? await samples(work, message.round) : await asks[message.ask](message.with ?? {});
      say({ answer });
    } catch (error) {
      say({ error: error.message });
    }
  }
}

/** Milliseconds of each call, for this long and at least `least` times. */
export async function samples(work, seconds, least = LEAST) {
  const times = [];
  const end = performance.now() + seconds * 1000;
  while (times.length < least || performance.now() < end) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  return times;
}

/** Resident and peak resident memory of this process, MiB. */
export function resident() {
  const status = readFileSync('/proc/self/status', 'utf8');
  const read = (key) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)[1]) / 1024;
  return { now: read('VmRSS'), peak: read('VmHWM') };
}

/** The case as the runner gave it. */
export const givenCase = () => JSON.parse(process.argv[2]);

function say(message) {
  process.stdout.write(`${MARK}${JSON.stringify(message)}\n`);
}
