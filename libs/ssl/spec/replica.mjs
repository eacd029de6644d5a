/** One process of runs that several share: node replica.mjs CASES RANK ADDRESS... Prints a JSON line for each run. */
import { ALONE, isPeerLost, joinGroup, useBackend } from '@medformer/tensorflow';
import { patternSpec, patterns, runPatterns } from '../dist/testing/patterns.js';

const GREY = patterns([8, 8, 1], 36);
const VOLUMES = patterns([4, 8, 8, 1], 13);
/** Fewer images than processes: each computes all of them. */
const FEW = patterns([8, 12, 1], 2);
const sgd = { name: 'sgd', learningRate: 0.05, warmupSteps: 0, clipNorm: 1 };
const mixed = { batching: 'mixed', projection: [16, 8] };
const fewLabelled = (group) => ({
  ...group,
  records: group.records.map((record, at) => (at % 3 === 0 ? record : { ...record, labels: {} })),
});
const mean = { method: { name: 'consistency', task: 'pattern', weight: 5 }, ema: { decay: 0.9 } };

/** What to train, on which images. Batches of 10 are no whole number of images for each of 3 processes. */
const CASES = {
  simclr: [{ method: { name: 'simclr', ...mixed } }, [GREY, VOLUMES]],
  'simclr-sum-few': [
    { method: { name: 'simclr', reduction: 'sum', ...mixed } },
    [FEW, patterns([8, 8, 1], 9)],
  ],
  barlow: [{ method: { name: 'barlow-twins', ...mixed } }, [GREY, VOLUMES]],
  'barlow-sample': [{ method: { name: 'barlow-twins', normalisation: 'sample', ...mixed } }, [GREY]],
  mae: [{ method: { name: 'mae', decoder: { depth: 1, width: 24 } } }, [GREY, VOLUMES]],
  jigsaw: [{ method: { name: 'jigsaw', grid2d: [2, 2], permutations: 6, hidden: 16 } }, [GREY]],
  'image-gpt': [{ method: { name: 'image-gpt', codes: 8, codebookPatches: 200 } }, [GREY]],
  supervised: [{ method: { name: 'supervised', task: 'pattern', labelSmoothing: 0.1 } }, [GREY, VOLUMES]],
  'multi-label': [{ method: { name: 'supervised', task: 'above' } }, [fewLabelled(GREY)]],
  'mean-teacher': [
    { ...mean, method: { ...mean.method, embeddingWeight: 1, distance: 'kl' } },
    [fewLabelled(GREY)],
  ],
  'pi-model': [{ method: { ...mean.method, teacher: 'none' } }, [fewLabelled(GREY)]],
  'fusions-of-batch': [
    { ...mean, method: { ...mean.method, target: 'fusion', embeddingWeight: 1 }, fusion: { perImage: 0.5 } },
    [fewLabelled(GREY)],
  ],
  'fusions-and-views': [
    { ...mean, method: { ...mean.method, target: 'both' }, fusion: { perImage: 0.5 } },
    [fewLabelled(GREY)],
  ],
  'fused-supervised': [
    { method: { name: 'supervised', task: 'pattern' }, fusion: { perImage: 0.4 } },
    [GREY],
  ],
  'fused-simclr': [{ method: { name: 'simclr', ...mixed }, fusion: { perImage: 0.4 } }, [GREY]],
  'multi-task': [
    {
      method: {
        name: 'multi-task',
        tasks: [{ task: 'pattern' }, { task: 'above' }],
        weighting: 'uncertainty',
      },
      accumulate: 2,
      batchSize: 12,
    },
    [GREY, VOLUMES],
  ],
  accumulated: [{ method: { name: 'simclr', ...mixed }, accumulate: 2 }, [GREY]],
};

const [names, rank, ...addresses] = process.argv.slice(2);
const wanted = names === 'all' ? Object.keys(CASES) : names.split(',');
try {
  await useBackend({ threads: 1, share: 'graph' });
  const replicas =
    addresses.length > 1
      ? await joinGroup({ rank: Number(rank), addresses, joinTimeoutMs: 120_000, peerTimeoutMs: 120_000 })
      : { ...ALONE, leave: async () => undefined };
  for (const name of wanted) {
    const [change, groups] = CASES[name];
    const spec = patternSpec({ batchSize: 10, steps: 3, optimiser: sgd, ...change });
    const { reports, states, warnings, error } = await runPatterns(spec, { groups, replicas });
    const weights = [...(states.at(-1)?.weights ?? [])].flatMap(([, { data }]) => [...data]);
    const history = reports.map(
      ({ loss, gradientNorm, embeddingStd, effectiveRank, centredRank, accuracy, images, recorded }) => ({
        loss,
        gradientNorm,
        embeddingStd,
        effectiveRank,
        centredRank,
        accuracy: accuracy ?? 0,
        images,
        recorded,
      }),
    );
    const line = JSON.stringify({ name, history, weights, warnings, error: error?.message });
    // Longer than a pipe holds: the exit below would cut what is not taken yet.
    await new Promise((resolve) => process.stdout.write(`${line}\n`, resolve));
    if (error) throw error;
  }
  await replicas.leave();
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(isPeerLost(error) ? 75 : 1);
}
