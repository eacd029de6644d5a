/** What an encoder holds over time, and whether that grows. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const MIB = 2 ** 20;
const SAMPLES = 60;
/** A new process and its first batches are no growth. */
const WARM_UP = 0.25;
/** By how much the last quarter may lie above the one after the warm-up: a heap breathes. */
const COLUMNS = {
  'service, MiB': { share: 0.15, floor: 40, of: median },
  'children, MiB': { share: 0.15, floor: 60, of: median },
  children: { share: 0, floor: 1, of: median },
  tensors: { share: 0, floor: 0, of: smallest },
  'open files': { share: 0, floor: 8, of: smallest },
};

/** @returns one sample after the other, over so many seconds */
export async function watch(encoder, seconds) {
  const samples = [];
  const begun = performance.now();
  for (let at = 1; at <= SAMPLES; at += 1) {
    const left = begun + (1000 * seconds * at) / SAMPLES - performance.now();
    await sleep(Math.max(0, left));
    samples.push({ seconds: (performance.now() - begun) / 1000, ...(await sample(encoder)) });
  }
  return samples;
}

/** Sentences that say what grew; none where nothing did. */
export function growthOf(samples) {
  const quarter = Math.floor(samples.length / 4);
  const first = samples.slice(Math.floor(samples.length * WARM_UP)).slice(0, quarter);
  const last = samples.slice(-quarter);
  return Object.entries(COLUMNS).flatMap(([name, { share, floor, of }]) => {
    const [before, after] = [first, last].map((part) => of(part.map((each) => each[name])));
    const most = before + Math.max(floor, share * before);
    return after > most ? [`${name}: ${digits(before)} after the warm-up, ${digits(after)} at the end`] : [];
  });
}

/** Eight rows over the time, Markdown. */
export function tableOf(samples) {
  const names = [...Object.keys(COLUMNS), 'lag p99, ms', 'images/s'];
  const shown = Array.from({ length: 8 }, (_, at) => samples[Math.round(((samples.length - 1) * at) / 7)]);
  const rows = shown.map((each) => [digits(each.seconds), ...names.map((name) => digits(each[name]))]);
  return [['s', ...names], ['s', ...names].map(() => '---'), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
}

let counted = { images: 0, at: performance.now() };

async function sample({ pid, metrics }) {
  const text = await metrics();
  const value = (name) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce(
      (sum, [, found]) => sum + Number(found),
      0,
    );
  const images = value('medformer_encoder_images_total');
  const now = performance.now();
  const rate = (1000 * (images - counted.images)) / (now - counted.at);
  counted = { images, at: now };
  const children = childrenOf(pid);
  return {
    'service, MiB': residentMib(pid),
    'children, MiB': children.reduce((sum, child) => sum + residentMib(child), 0),
    children: children.length,
    tensors: value('medformer_compute_tensors'),
    'open files': readdirSync(`/proc/${pid}/fd`).length,
    'lag p99, ms': 1000 * value('medformer_nodejs_eventloop_lag_p99_seconds'),
    'images/s': rate,
  };
}

function childrenOf(pid) {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').match(/\d+/g)?.map(Number) ?? [];
}

function residentMib(pid) {
  try {
    return (
      (Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024) / MIB
    );
  } catch {
    // Gone since it was listed.
    return 0;
  }
}

function median(values) {
  return values.toSorted((x, y) => x - y)[values.length >> 1];
}

function smallest(values) {
  return Math.min(...values);
}

function digits(value) {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}
