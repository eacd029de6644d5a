import { sha256 } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { generatePatient, LESIONS, MODALITIES, type PhantomScan, REGIONS } from './index.js';

function fingerprint(scans: PhantomScan[]): string[] {
  return scans.map(({ voxels, ...record }) => {
    const bytes = new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.byteLength);
    return `${JSON.stringify(record)} ${sha256(bytes)}`;
  });
}

describe('generatePatient', () => {
  it('gives the same bytes for the same seed and patient, in whatever order patients are made', () => {
    const alone = fingerprint(generatePatient(3, 5, { volumes: true }));
    generatePatient(3, 0, { volumes: false });
    generatePatient(4, 5, { volumes: true });
    expect(fingerprint(generatePatient(3, 5, { volumes: true }))).toEqual(alone);
  });

  it('gives the same images whether or not volumes are asked for', () => {
    const images = fingerprint(generatePatient(3, 5, { volumes: false }));
    expect(fingerprint(generatePatient(3, 5, { volumes: true })).slice(0, images.length)).toEqual(images);
  });

  it('gives other bytes for another seed and for another patient', () => {
    const voxels = (seed: number, patient: number) =>
      generatePatient(seed, patient, { volumes: false }).map((scan) => sha256(Buffer.from(scan.voxels)));
    const all = [...voxels(3, 5), ...voxels(4, 5), ...voxels(3, 6)];
    expect(new Set(all).size).toBe(all.length);
  });

  it('images every region once in 8 bits at 28 x 28, and in 28^3 int16 when volumes are asked for', () => {
    const scans = generatePatient(3, 5, { volumes: true });
    const names = REGIONS.map(({ name }) => name);
    const images = scans.filter(({ shape }) => shape.length === 2);
    const volumes = scans.filter(({ shape }) => shape.length === 3);
    for (const group of [images, volumes]) expect(group.map(({ labels }) => labels.region)).toEqual(names);
    for (const { shape, voxels, spacingMm } of images) {
      expect(shape).toEqual([28, 28]);
      expect(voxels).toBeInstanceOf(Uint8Array);
      expect(voxels.length).toBe(28 ** 2);
      expect(spacingMm.every((mm) => mm > 3 && mm < 20)).toBe(true);
    }
    for (const { shape, voxels, modality, spacingMm } of volumes) {
      expect(shape).toEqual([28, 28, 28]);
      expect(voxels).toBeInstanceOf(Int16Array);
      expect(voxels.length).toBe(28 ** 3);
      expect(spacingMm.length).toBe(3);
      const low = Math.min(...voxels);
      const high = Math.max(...voxels);
      expect(low).toBeGreaterThanOrEqual(modality === 'ct' ? -1024 : 0);
      expect(high).toBeGreaterThan(100);
    }
  });

  it('shows every modality and every kind of lesion within fifteen patients, and half without one', () => {
    const scans = Array.from({ length: 15 }, (_, patient) =>
      generatePatient(3, patient, { volumes: false }),
    ).flat();
    const share = (has: (scan: PhantomScan) => boolean) => scans.filter(has).length / scans.length;
    for (const modality of MODALITIES) expect(share((s) => s.modality === modality)).toBeGreaterThan(0.15);
    for (const lesion of LESIONS) expect(share((s) => s.labels.lesion === lesion)).toBeGreaterThan(0.1);
    expect(share((s) => s.labels.lesion === 'none')).toBeGreaterThan(0.4);
  });

  it('makes pictures with content: no image is flat', () => {
    for (let patient = 0; patient < 5; patient += 1) {
      for (const { voxels, labels, modality } of generatePatient(3, patient, { volumes: false })) {
        expect(new Set(voxels).size, `${labels.region} ${modality}`).toBeGreaterThan(20);
      }
    }
  });
});
