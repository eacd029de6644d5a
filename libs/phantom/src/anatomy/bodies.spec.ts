import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { patientBody } from '../patient.js';
import { BODIES, REGIONS, type Region } from '../region.js';
import { Camera } from '../scene.js';
import { HOUNSFIELD } from '../tissue.js';

function axial({ body, levelMm }: Region, patient: number): Float32Array {
  const step = BODIES[body].fieldOfViewMm / 56;
  return new Camera().look(
    patientBody(body, Rng.of('anatomy', patient)),
    HOUNSFIELD,
    {
      rows: 56,
      columns: 56,
      centre: [0, 0, levelMm],
      across: [step, 0, 0],
      down: [0, step, 0],
      through: [0, 0, 1],
    },
    { inPlane: 1, through: 1 },
  );
}

describe.each(REGIONS)('the level $name', (region) => {
  it('differs between patients far beyond the noise of any scanner', () => {
    const slices = Array.from({ length: 6 }, (_, patient) => axial(region, patient));
    for (const [i, one] of slices.entries()) {
      for (const other of slices.slice(i + 1)) {
        const difference = one.reduce((sum, hu, k) => sum + Math.abs(hu - other[k]!), 0) / one.length;
        expect(difference).toBeGreaterThan(20);
      }
    }
  });

  it('is surrounded by air and holds soft tissue and bone', () => {
    for (let patient = 0; patient < 6; patient += 1) {
      const slice = axial(region, patient);
      expect(slice[0]).toBe(-1000);
      expect(slice[slice.length - 1]).toBe(-1000);
      expect(slice.some((hu) => hu > 500)).toBe(true);
      const soft = slice.filter((hu) => hu > -20 && hu < 200).length / slice.length;
      expect(soft).toBeGreaterThan(0.05);
    }
  });
});
