import { digits } from '../print.mjs';
import { ours, peer, race } from '../side.mjs';
import { ratioOf, summarise } from '../statistics.mjs';

/** Issue of the aim: in 3D; in 2D the work is microseconds, and libraries pay their calls. */
const LEAST_RATIO = 3;

/** Raw fusions, one at a time on one thread: histograms matched, regions of smooth fields, blended, stored as 16 bits. */
export const cases = [
  fusionCase([28, 28], 2),
  fusionCase([28, 28, 28], 2),
  fusionCase([64, 64, 64], 2),
  fusionCase([64, 64, 64], 8),
  fusionCase([128, 128, 128], 8),
];

function fusionCase(spatial, sources) {
  return {
    name: `fusion-${spatial.length}d-${spatial[0]}-of-${sources}`,
    title: `Fusions of ${sources} images of ${spatial.join(' × ')}, grey, 16 bits, 1 thread`,
    run: (bench) => run(bench, spatial, sources),
  };
}

async function run({ pace, say }, spatial, sources) {
  const given = { spatial, sources };
  const read = spatial[0] === 128 ? ['nibabel reads .nii.gz', 'nibabel reads .nii'] : [];
  const libraries = [...(spatial.length === 3 ? ['MONAI', 'torchio'] : ['MONAI']), ...read];
  const { times, facts, failed, others } = await race(
    {
      medformer: ours('fusion.mjs', given),
      ...Object.fromEntries(libraries.map((library) => [library, peer('fusion.py', { ...given, library })])),
    },
    { rounds: pace.rounds, seconds: Math.min(pace.seconds, 1) },
    say,
  );
  const rows = Object.entries(times).map(([side, rounds]) => ({
    side,
    ms: summarise(rounds.flat()),
    rounds,
  }));
  const ratio = (side) => ratioOf(times.medformer, times[side]);
  return {
    unit: 'ms a fusion',
    rows,
    columns: [['fusions/s', ({ ms }) => digits(1000 / ms.median)]],
    facts,
    failed,
    others,
    promises: libraries
      .filter((side) => times[side] && side !== 'nibabel reads .nii')
      .map((side) => ({
        what: side.startsWith('nibabel') ? `fused sooner than ${side}` : `speed against ${side}`,
        found: ratio(side),
        least: side.startsWith('nibabel') ? 1 : LEAST_RATIO,
      })),
    notes: [],
  };
}
