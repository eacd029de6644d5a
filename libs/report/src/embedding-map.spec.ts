import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { mapEmbeddings } from './embedding-map.js';

const clusters = () =>
  Array.from({ length: 60 }, (_, image) =>
    Float32Array.from(
      { length: 8 },
      (_, axis) => (axis === image % 3 ? 1 : 0) + Rng.of(image, axis).normal(0, 0.05),
    ),
  );

describe('mapEmbeddings', () => {
  it('puts an image nearer to its own cluster than to the others', async () => {
    const points = await mapEmbeddings(clusters(), Rng.of('map'));
    const centre = (cluster: number) => {
      const members = points.filter((_, image) => image % 3 === cluster);
      return {
        x: members.reduce((sum, { x }) => sum + x, 0) / members.length,
        y: members.reduce((sum, { y }) => sum + y, 0) / members.length,
      };
    };
    const centres = [0, 1, 2].map(centre);
    const nearest = points.map(({ x, y }) => {
      const distances = centres.map((other) => Math.hypot(x - other.x, y - other.y));
      return distances.indexOf(Math.min(...distances));
    });

    expect(nearest.filter((cluster, image) => cluster === image % 3).length).toBeGreaterThan(57);
  });

  it('gives the same map for the same generator', async () => {
    expect(await mapEmbeddings(clusters(), Rng.of(1))).toEqual(await mapEmbeddings(clusters(), Rng.of(1)));
  });

  it('is empty for fewer images than have neighbours', async () => {
    expect(await mapEmbeddings([new Float32Array(4), new Float32Array(4)], Rng.of(1))).toEqual([]);
  });

  it('stops when told to', async () => {
    const controller = new AbortController();
    const mapping = mapEmbeddings(clusters(), Rng.of(1), controller.signal);
    controller.abort(new Error('enough'));

    await expect(mapping).rejects.toThrow('enough');
  });
});
