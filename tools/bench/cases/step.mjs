import { join } from 'node:path';
import { ours, peer, RESULTS, race } from '../side.mjs';
import { ratioOf, summarise } from '../statistics.mjs';

const THREADS = 2;

/** The training step on one fixed batch, in ours and in PyTorch + lightly, from the same weights. */
export const cases = [
  stepCase('step-2d', 'SimCLR step, 128 images of 28 × 28', {
    method: { name: 'simclr' },
    spatial: [28, 28],
    batch: 128,
  }),
  stepCase('step-3d', 'SimCLR step, 16 volumes of 28 × 28 × 28', {
    method: { name: 'simclr' },
    spatial: [28, 28, 28],
    batch: 16,
  }),
  stepCase('step-barlow', 'Barlow Twins step, 128 images of 28 × 28', {
    method: { name: 'barlow-twins' },
    spatial: [28, 28],
    batch: 128,
  }),
];

const LEAST_RATIO = 2;

function stepCase(name, title, settings) {
  return {
    name,
    title: `${title}, 2 views, nano, float32, ${THREADS} threads`,
    run: (bench) => run(bench, name, settings),
  };
}

async function run(bench, name, settings) {
  const given = { ...settings, model: 'nano', threads: THREADS, dump: join(RESULTS, `${name}.safetensors`) };
  const { times, facts, failed, others } = await race(
    {
      medformer: ours('step.mjs', { ...given, mode: 'recorded' }),
      'medformer, mixed-bfloat16': ours('step.mjs', {
        ...given,
        dump: undefined,
        mode: 'recorded',
        precision: 'mixed-bfloat16',
      }),
      'medformer, op by op': ours('step.mjs', { ...given, dump: undefined, mode: 'eager' }),
      'PyTorch eager': peer('step.py', { ...given, mode: 'eager' }),
      'PyTorch compile': { ...peer('step.py', { ...given, mode: 'compile' }), optional: true },
    },
    bench.pace,
    bench.say,
  );
  const rate = await bench.matmulRate();
  const { flops } = facts['PyTorch eager'];
  const rows = Object.entries(times).map(([side, rounds]) => {
    const ms = summarise(rounds.flat());
    const gflops = flops / ms.median / 1e6;
    return { side, ms, rounds, gflops, share: gflops / rate };
  });
  const peers = rows.filter(({ side }) => side.startsWith('PyTorch'));
  const best = peers.reduce((x, y) => (x.ms.median <= y.ms.median ? x : y));
  const ratio = ratioOf(times.medformer, best.rounds);
  return {
    unit: 'ms a step',
    rows,
    columns: [
      ['GFLOP/s', ({ gflops }) => gflops.toFixed(1)],
      ['of matmul', ({ share }) => `${(100 * share).toFixed(0)} %`],
    ],
    facts,
    failed,
    others,
    flops,
    promises: [{ what: `speed against ${best.side}, the better`, found: ratio, least: LEAST_RATIO }],
    notes: [
      `${facts.medformer.parameters} parameters on both sides; losses and gradient norms of the first ${facts.medformer.losses.length} steps differ by ${facts[best.side].proof.worstDifference.toExponential(1)} at most`,
      `${(flops / 1e9).toFixed(2)} GFLOP of matrix products and convolutions a step; PyTorch took ${Object.values(facts[best.side].choices).join(', ')}`,
    ],
  };
}
