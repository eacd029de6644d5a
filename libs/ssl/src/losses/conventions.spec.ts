import { readFileSync } from 'node:fs';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { type BarlowNormalisation, barlowTwins } from './barlow-twins.js';
import { type NtXentReduction, ntXent } from './nt-xent.js';

interface Case {
  images: number;
  width: number;
  z: number[];
  peers: Record<string, { loss: number; gradient: number[] }>;
}

interface Golden {
  ntXent: (Case & { temperature: number })[];
  barlowTwins: (Case & { lambda: number; name: string })[];
}

// Written by tools/golden/ssl-conventions.py.
const golden: Golden = JSON.parse(
  readFileSync(new URL('../../golden/ssl-conventions.json', import.meta.url), 'utf8'),
);
const REDUCTIONS: Record<string, NtXentReduction> = { lightly: 'mean', monai: 'mean', google: 'sum' };
const NORMALISATIONS: Record<string, BarlowNormalisation> = { lightly: 'batch', monai: 'sample' };

beforeAll(async () => {
  await useBackend();
});

describe('the same views through the conventions of the peers', () => {
  it.each(golden.ntXent.flatMap((one) => Object.keys(one.peers).map((peer) => ({ ...one, peer }))))(
    'NT-Xent as $peer has it: N $images, temperature $temperature',
    ({ peer, temperature, ...one }) => {
      expectPeer((z) => ntXent(z, temperature, REDUCTIONS[peer]!), one, peer);
    },
  );

  it.each(golden.barlowTwins.flatMap((one) => Object.keys(one.peers).map((peer) => ({ ...one, peer }))))(
    'Barlow Twins as $peer has it: $name, lambda $lambda',
    ({ peer, lambda, ...one }) => {
      expectPeer((z) => barlowTwins(z, lambda, NORMALISATIONS[peer]!), one, peer);
    },
  );

  it('differ: a default that was exchanged would be seen', () => {
    for (const { peers } of golden.ntXent) expect(peers.google!.loss).toBeCloseTo(2 * peers.lightly!.loss, 9);
    for (const { peers } of golden.barlowTwins)
      expect(Math.abs(peers.monai!.loss - peers.lightly!.loss)).toBeGreaterThan(0.03);
  });
});

/** MONAI holds its mask in float32, google's mask is 1e9: both are good to 1e-5. */
function expectPeer(loss: (z: tf.Tensor) => tf.Scalar, one: Case, peer: string): void {
  const expected = one.peers[peer]!;
  const z = tf.tensor2d(one.z, [2 * one.images, one.width]);
  const scale = Math.max(1, ...expected.gradient.map(Math.abs));
  expect(loss(z).dataSync()[0]).toBeCloseTo(expected.loss, 4);
  const gradient = [
    ...tf
      .grad((x: tf.Tensor) => loss(x))(z)
      .dataSync(),
  ];
  const worst = Math.max(...gradient.map((value, at) => Math.abs(value - expected.gradient[at]!)));
  expect(worst / scale).toBeLessThan(1e-5);
}
