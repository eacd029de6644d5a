import { digits } from '../print.mjs';
import { ours, peer, race } from '../side.mjs';
import { ratioOf, summarise } from '../statistics.mjs';

const LEAST_RATIO = 2;
const PEERS = {
  2: ['torchvision tensors', 'torchvision affine', 'torchvision PIL'],
  3: ['MONAI', 'torchio'],
};

/** Views per second, one image at a time on one thread. `images` of them are one call, to be timed. */
export const cases = [
  viewsCase([28, 28], 64),
  viewsCase([224, 224], 4),
  viewsCase([28, 28, 28], 8),
  viewsCase([64, 64, 64], 1),
];

function viewsCase(spatial, images) {
  return {
    name: `views-${spatial.length}d-${spatial[0]}`,
    title: `Views of ${spatial.join(' × ')}, grey, 8 bits, 1 thread`,
    run: (bench) => run(bench, spatial, images),
  };
}

async function run({ pace, say }, spatial, images) {
  const given = { spatial, images };
  const peers = PEERS[spatial.length];
  const { times, facts, failed, others } = await race(
    {
      medformer: ours('views.mjs', given),
      ...Object.fromEntries(peers.map((library) => [library, peer('views.py', { ...given, library })])),
    },
    { rounds: pace.rounds, seconds: Math.min(pace.seconds, 0.6) },
    say,
  );
  const perImage = Object.fromEntries(
    Object.entries(times).map(([side, rounds]) => [
      side,
      rounds.map((round) => round.map((ms) => ms / images)),
    ]),
  );
  const rows = Object.entries(perImage).map(([side, rounds]) => ({
    side,
    ms: summarise(rounds.flat()),
    rounds,
  }));
  // In 2D the three are ways to use one library: its fastest counts. In 3D each library is a peer.
  const measured =
    spatial.length === 3
      ? rows.slice(1)
      : [rows.slice(1).reduce((x, y) => (x.ms.median <= y.ms.median ? x : y))];
  return {
    unit: 'ms a view',
    rows,
    columns: [['views/s', ({ ms }) => digits(1000 / ms.median)]],
    facts,
    failed,
    others,
    promises: measured.map(({ side, rounds }) => ({
      what: `speed against ${side}`,
      found: ratioOf(perImage.medformer, rounds),
      least: LEAST_RATIO,
    })),
    notes: [],
  };
}
