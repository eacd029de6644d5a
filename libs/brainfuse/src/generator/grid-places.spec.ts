import { describe, expect, it } from 'vitest';
import { paddedEdges, placesIn } from './grid-places.js';

describe('places in another grid', () => {
  it('go on with the edge where the grid is larger', () => {
    expect([...placesIn([3, 4], [2, 3])]).toEqual([0, 1, 2, 2, 3, 4, 5, 5, 3, 4, 5, 5]);
  });

  it('leave out what is beyond a smaller grid', () => {
    expect([...placesIn([2, 1, 2], [3, 2, 4])]).toEqual([0, 1, 8, 9]);
  });

  it('pad to a multiple and come back', () => {
    const spatial = [5, 8, 9];
    const padded = paddedEdges(spatial, 4);
    const there = placesIn(padded, spatial);
    const back = placesIn(spatial, padded);

    expect(padded).toEqual([8, 8, 12]);
    expect(Array.from(back, (place) => there[place])).toEqual(Array.from({ length: 360 }, (_, at) => at));
  });
});
