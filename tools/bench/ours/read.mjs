/** Files to normalised arrays by the decoding threads of ingestion. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDecodePool, ruleFor } from '../../../libs/imaging/dist/index.js';
import { sha256 } from '../../../libs/schema/dist/index.js';
import { givenCase, resident, serve } from '../serve.mjs';

const { folder, format, parallel } = givenCase();
const kind = format.startsWith('dicom')
  ? 'dicom'
  : format.startsWith('nifti')
    ? 'nifti'
    : format === 'npz'
      ? 'numpy'
      : 'raster';
const jobs = readdirSync(folder)
  .sort()
  .map((name) => {
    const location = join(folder, name);
    const files = [{ path: name, location, sha256: sha256(readFileSync(location)) }];
    return { name, format: kind, files, rule: ruleFor('ct') };
  });
const pool = openDecodePool(Math.max(jobs.length, 8), { size: parallel });
const read = () => Promise.all(jobs.map((job) => pool.run(job)));
const items = (await read()).flat();
const sum = items.reduce((total, { pixels }) => pixels.reduce((part, pixel) => part + pixel, total), 0);
const decodedMb = items.reduce((total, { pixels }) => total + pixels.byteLength, 0) / 1e6;
await serve(read, { decodedMb, sum }, { memory: resident });
await pool.close();
