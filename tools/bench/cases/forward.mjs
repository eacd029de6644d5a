import { join } from 'node:path';
import { watchOthers } from '../others.mjs';
import { digits } from '../print.mjs';
import { ours, peer, RESULTS, race, Side } from '../side.mjs';
import { median, ratioOf, summarise } from '../statistics.mjs';

const THREADS = 2;
const LEAST_RATIO = 1.5;
/** The body's time at any number of tokens against the least. */
const MOST_BODY = 1.2;

/** Embeddings of one batch, as the encoder computes them, against timm's ViT of as many parameters and the same patches. */
export const cases = [
  forwardCase('forward-28', { model: 'nano', spatial: [28, 28], patch: 4, batch: 64 }),
  forwardCase('forward-28-tiny', { model: 'tiny', spatial: [28, 28], patch: 4, batch: 32 }),
  forwardCase('forward-224', { model: 'tiny', spatial: [224, 224], patch: 16, batch: 8 }),
  forwardCase('forward-28-3d', { model: 'nano', spatial: [28, 28, 28], patch: 4, batch: 8 }),
  forwardCase('forward-64-3d', { model: 'tiny', spatial: [64, 64, 64], patch: 8, batch: 4 }),
  {
    name: 'forward-tokens',
    title: `Time and memory of 4 embeddings by tokens an image, tiny, patch 4, ${THREADS} threads`,
    run: runTokens,
  },
];

function forwardCase(name, settings) {
  const { model, spatial, patch, batch } = settings;
  const things = spatial.length === 3 ? 'volumes' : 'images';
  return {
    name,
    title: `Embedding of ${batch} ${things} of ${spatial.join(' × ')}, ${model}, patch ${patch}, float32, ${THREADS} threads`,
    run: (bench) => run(bench, name, settings),
  };
}

async function run({ pace, say }, name, settings) {
  const given = { ...settings, threads: THREADS, size: join(RESULTS, `${name}.json`) };
  const vit = (mode) => peer('forward.py', { ...given, mode });
  const { times, facts, failed, others } = await race(
    {
      medformer: ours('forward.mjs', { ...given, mode: 'recorded' }),
      'medformer, op by op': ours('forward.mjs', { ...given, mode: 'eager' }),
      'ViT, PyTorch eager': vit('eager'),
      'ViT, PyTorch compile': { ...vit('compile'), optional: true },
      'ViT, ONNX Runtime': { ...vit('onnx'), optional: true },
    },
    pace,
    say,
  );
  const rows = Object.entries(times).map(([side, rounds]) => {
    const ms = summarise(rounds.flat());
    return { side, ms, rounds, perSecond: (1000 * settings.batch) / ms.median };
  });
  const promises = ['PyTorch', 'ONNX'].flatMap((library) => {
    const sides = rows.filter(({ side }) => side.includes(library));
    if (sides.length === 0) return [];
    const best = sides.reduce((x, y) => (x.ms.median <= y.ms.median ? x : y));
    const found = ratioOf(times.medformer, best.rounds);
    return [{ what: `speed against ${best.side}`, found, least: library === 'PyTorch' ? LEAST_RATIO : 1 }];
  });
  const leastOf = (side) => rows.find((row) => row.side === side)?.ms.min ?? Number.POSITIVE_INFINITY;
  const torch = Math.min(leastOf('ViT, PyTorch eager'), leastOf('ViT, PyTorch compile'));
  const onnx = leastOf('ViT, ONNX Runtime');
  const { parameters, depth, mlpRatio } = facts['ViT, PyTorch eager'];
  const tokens = settings.spatial.reduce((product, edge) => product * Math.ceil(edge / settings.patch), 1);
  return {
    unit: 'ms a batch',
    rows,
    columns: [['images/s', ({ perSecond }) => digits(perSecond)]],
    facts,
    failed,
    others,
    promises,
    notes: [
      `by the least time of each, which others disturb least: ${(torch / leastOf('medformer')).toFixed(2)}× PyTorch, ${(onnx / leastOf('medformer')).toFixed(2)}× ONNX Runtime`,
      `${facts.medformer.parameters} parameters, ${facts.medformer.config.latents} latents; ViT: ${parameters} parameters, ${depth} blocks of ${facts.medformer.config.width} with MLP ratio ${mlpRatio.toFixed(2)}; ${tokens} tokens`,
      `the recorded function is ${facts.medformer.worstDifference.toExponential(1)} from the model op by op`,
    ],
  };
}

async function runTokens({ pace, say }) {
  const rows = [];
  const taken = [];
  for (const edge of [28, 56, 112, 224]) {
    const spatial = [edge, edge];
    const settings = { model: 'tiny', spatial, patch: 4, batch: 4, threads: THREADS };
    const given = { ...settings, size: join(RESULTS, 'forward-tokens.json') };
    say(`${edge} × ${edge}`);
    // Processes of their own: the peak of memory is a process's.
    const measure = async (name, program, asks) => {
      const side = await Side.start(name, program);
      const others = watchOthers([process.pid, side.pid]);
      try {
        const ms = median(await side.round(pace.seconds));
        const answers = {};
        for (const ask of asks)
          answers[ask] = await side.ask(ask, ask === 'parts' ? { seconds: pace.seconds } : {});
        taken.push(others());
        return { ms, ...answers };
      } finally {
        await side.stop();
      }
    };
    const our = await measure('medformer', ours('forward.mjs', given), ['memory', 'parts']);
    const vit = await measure('ViT', peer('forward.py', { ...given, mode: 'eager' }), ['memory']);
    rows.push({
      edge,
      tokens: (edge / 4) ** 2,
      ms: our.ms,
      adaptformer: median(our.parts.adaptformer),
      body: median(our.parts.body),
      bodyLeast: Math.min(...our.parts.body),
      memory: our.memory.used,
      vit: { ms: vit.ms, memory: vit.memory.used },
    });
  }
  const least = rows.map(({ bodyLeast }) => bodyLeast);
  return {
    head: ['size', 'tokens', 'ms', 'input adaptformer', 'body and output', 'MiB', 'ViT ms', 'ViT MiB'],
    lines: rows.map(({ edge, tokens, ms, adaptformer, body, memory, vit }) => [
      `${edge} × ${edge}`,
      String(tokens),
      ...[ms, adaptformer, body].map(digits),
      memory.toFixed(0),
      digits(vit.ms),
      vit.memory.toFixed(0),
    ]),
    rows,
    others: Math.max(...taken),
    promises: [
      {
        what: 'body, whatever the tokens, dearest against cheapest (least of each)',
        found: Math.max(...least) / Math.min(...least),
        most: MOST_BODY,
      },
    ],
    notes: ['MiB: peak of resident memory beside the model, warm-up included'],
  };
}
