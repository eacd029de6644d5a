import { ours, peer, race } from '../side.mjs';
import { summarise } from '../statistics.mjs';

const SIZE = 2048;

/** What this machine multiplies at: the limit of every step, and whether bfloat16 raises it. */
export const cases = [{ name: 'rate', title: `Matrix product ${SIZE} × ${SIZE} × ${SIZE}, 2 threads`, run }];

async function run({ pace, say }) {
  const given = (type) => ({ size: SIZE, threads: 2, type });
  const { times, facts, failed, others } = await race(
    {
      'TensorFlow float32': ours('rate.mjs', given('float32')),
      'TensorFlow bfloat16': { ...ours('rate.mjs', given('bfloat16')), optional: true },
      'PyTorch float32': peer('rate.py', given('float32')),
      'PyTorch bfloat16': peer('rate.py', given('bfloat16')),
    },
    { rounds: pace.rounds, seconds: Math.min(pace.seconds, 0.7) },
    say,
  );
  const rows = Object.entries(times).map(([side, rounds]) => {
    const ms = summarise(rounds.flat());
    return { side, ms, rounds, gflops: (2 * SIZE ** 3) / ms.median / 1e6 };
  });
  const of = (side) => rows.find((row) => row.side === side)?.gflops;
  const gain = (library) => of(`${library} bfloat16`) / of(`${library} float32`);
  const said = (library) =>
    of(`${library} bfloat16`) === undefined
      ? `${library} has none`
      : `${gain(library).toFixed(2)}× in ${library}`;
  return {
    unit: 'ms a product',
    rows,
    columns: [['GFLOP/s', ({ gflops }) => gflops.toFixed(1)]],
    facts,
    failed,
    others,
    /** The machine's float32 rate, GFLOP/s: the better library's. */
    rate: Math.max(of('TensorFlow float32'), of('PyTorch float32')),
    promises: [],
    notes: [`bfloat16 against float32: ${said('TensorFlow')}, ${said('PyTorch')}`],
  };
}
