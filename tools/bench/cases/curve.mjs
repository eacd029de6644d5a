import { watchOthers } from '../others.mjs';
import { digits } from '../print.mjs';
import { ours, Side } from '../side.mjs';
import { summarise } from '../statistics.mjs';

const THREADS = 2;
const PATCH = 4;
/** A point may cost this much more an image, or a token, than the cheapest of the smaller ones. */
const MOST_STEEPER = 1.2;

/** What a step costs by the number of images, and by the number of tokens of each. */
export const cases = [
  {
    name: 'curve-images',
    title: 'Cost of a SimCLR step by images of 28 × 28, nano',
    run: (bench) =>
      run(
        bench,
        [32, 64, 128, 256].map((batch) => ({ batch, spatial: [28, 28] })),
        'image',
      ),
  },
  {
    name: 'curve-tokens',
    title: 'Cost of a SimCLR step by tokens of 32 images, nano',
    run: (bench) =>
      run(
        bench,
        [28, 56, 84, 112].map((edge) => ({ batch: 32, spatial: [edge, edge] })),
        'token',
      ),
  },
];

async function run({ say }, points, thing) {
  const side = await Side.start('medformer', ours('curve.mjs', { threads: THREADS }));
  const others = watchOthers([process.pid, side.pid]);
  let taken = 0;
  const rows = [];
  try {
    for (const point of points) {
      say(`${point.batch} images of ${point.spatial.join(' × ')}`);
      const times = await side.ask('point', { ...point, method: { name: 'simclr' }, model: 'nano' });
      const tokens = point.spatial.reduce((product, edge) => product * Math.ceil(edge / PATCH), 1);
      const count = thing === 'image' ? point.batch : tokens;
      const ms = summarise(times);
      rows.push({ ...point, tokens, count, ms, each: ms.median / count });
    }
    taken = others();
  } finally {
    await side.stop();
  }
  const steeper = rows.map(
    (row, index) => row.each / Math.min(...rows.slice(0, index + 1).map((x) => x.each)),
  );
  return {
    head: ['images', 'size', 'tokens an image', 'ms a step', 'min – max', `ms a step and ${thing}`],
    lines: rows.map(({ batch, spatial, tokens, ms, each }) => [
      String(batch),
      spatial.join(' × '),
      String(tokens),
      digits(ms.median),
      `${digits(ms.min)} – ${digits(ms.max)}`,
      each.toPrecision(3),
    ]),
    rows,
    others: taken,
    promises: [
      {
        what: `cost of one more ${thing} against the cheapest at fewer`,
        found: Math.max(...steeper),
        most: MOST_STEEPER,
      },
    ],
    notes: [],
  };
}
