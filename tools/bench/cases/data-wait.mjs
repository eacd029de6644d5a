import { watchOthers } from '../others.mjs';
import { ours, Side } from '../side.mjs';
import { summarise } from '../statistics.mjs';

const THREADS = 2;
const STEPS = 60;
const MOST_WAIT = 0.05;

/** The trainer makes the next step's views while TensorFlow runs this one: does it ever wait for them? */
export const cases = [
  waitCase('data-wait-2d', { spatial: [28, 28], batch: 128, images: 1024 }),
  waitCase('data-wait-3d', { spatial: [28, 28, 28], batch: 16, images: 128 }),
];

function waitCase(name, settings) {
  return {
    name,
    title: `Waiting for views in a SimCLR run, ${settings.batch} images of ${settings.spatial.join(' × ')}`,
    run: (bench) => run(bench, settings),
  };
}

async function run({ pace, say }, settings) {
  say('warming up');
  const side = await Side.start(
    'medformer',
    ours('data-wait.mjs', { ...settings, method: { name: 'simclr' }, model: 'nano', threads: THREADS }),
  );
  try {
    const others = watchOthers([process.pid, side.pid]);
    const alone = await side.round(2 * pace.seconds);
    say(`${STEPS} steps`);
    const steps = await side.ask('run', { steps: STEPS });
    const compute = summarise(alone).median;
    const total = steps.reduce((sum, { stepMs }) => sum + stepMs, 0);
    const waited = steps.reduce((sum, { viewsMs }) => sum + Math.max(0, viewsMs - compute), 0);
    const row = (name, values) => ({ side: name, ms: summarise(values) });
    return {
      unit: 'ms',
      rows: [
        row('step without views', alone),
        row(
          'step of a run',
          steps.map(({ stepMs }) => stepMs),
        ),
        row(
          'its views',
          steps.map(({ viewsMs }) => viewsMs),
        ),
      ],
      columns: [],
      steps,
      others: others(),
      promises: [
        {
          what: 'share of the time that a run waits for views',
          found: waited / total,
          most: MOST_WAIT,
          percent: true,
        },
      ],
      notes: [`views beside it make a step ${(total / steps.length / compute).toFixed(2)}× as long`],
    };
  } finally {
    await side.stop();
  }
}
