import { join } from 'node:path';
import { ours, peer, RESULTS, Side } from '../side.mjs';

const THREADS = 2;
const STEPS = 500;
const MOST_MEMORY = 1.5;
/** After this share of the steps the allocators hold what they need. */
const WARM = 0.3;
const MOST_GROWTH = 0.02;
/** One way for the peer, so that trying the others leaves nothing behind in its memory. */
const CHOICES = { layout: 'contiguous', attention: 'sdpa', optimiser: 'fused' };

/** Resident memory of a training process, one side after the other. */
export const cases = [
  memoryCase('memory', 32, STEPS),
  /** The batch of the step cases; long enough to see the peak. */
  memoryCase('memory-128', 128, 40),
];

function memoryCase(name, batch, steps) {
  return {
    name,
    title: `Memory over ${steps} SimCLR steps, ${batch} images of 28 × 28`,
    run: (bench) => run(bench, { name, batch, steps }),
  };
}

async function run({ say }, { name, batch, steps }) {
  const given = {
    method: { name: 'simclr' },
    model: 'nano',
    spatial: [28, 28],
    batch,
    threads: THREADS,
    dump: join(RESULTS, `${name}.safetensors`),
  };
  const programs = {
    medformer: ours('step.mjs', { ...given, mode: 'recorded' }),
    'PyTorch eager': peer('step.py', { ...given, mode: 'eager', choices: CHOICES }),
  };
  const marks = {};
  for (const [side, program] of Object.entries(programs)) {
    say(`${side}: ${steps} steps`);
    const process = await Side.start(side, program);
    try {
      marks[side] = await process.ask('steps', { steps });
    } finally {
      await process.stop();
    }
  }
  const rows = Object.entries(marks).map(([side, all]) => {
    const warm = all.find(({ step }) => step >= WARM * steps);
    const last = all.at(-1);
    return { side, peak: last.peak, end: last.now, growth: last.now / warm.now - 1, warm, last };
  });
  const [mine, theirs] = rows;
  return {
    head: ['', 'peak MiB', 'at the end', `growth from step ${mine.warm.step}`],
    lines: rows.map(({ side, peak, end, growth }) => [
      side,
      peak.toFixed(0),
      end.toFixed(0),
      `${(100 * growth).toFixed(1)} %`,
    ]),
    marks,
    promises: [
      { what: 'peak memory against PyTorch eager', found: mine.peak / theirs.peak, most: MOST_MEMORY },
      ...(steps === STEPS
        ? [
            { what: 'growth once warm', found: mine.growth, most: MOST_GROWTH, percent: true },
            {
              what: 'tensors gained once warm',
              found: mine.last.tensors - mine.warm.tensors,
              most: 0,
              count: true,
            },
          ]
        : []),
    ],
    notes: [],
  };
}
