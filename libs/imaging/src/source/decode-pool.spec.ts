import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodePng } from '../encode-png.js';
import { ruleFor } from '../normalise.js';
import { type Files, pictures, readSource, writeFiles } from '../spec/sources.js';
import { type DecodeJob, runDecodeJob } from './decode-job.js';
import { openDecodePool } from './decode-pool.js';

describe('openDecodePool', () => {
  it('gives in workers what this thread gives, for every job, also after refusals', async () => {
    const jobs = await someJobs(24, { 'bad.png': 'no picture', 'worse.dcm': 'no image' });
    const pool = openDecodePool(jobs.length, { size: 2 });
    const settled = await Promise.allSettled(jobs.map((job) => pool.run(job)));
    await pool.close();
    for (const [index, job] of jobs.entries()) {
      const found = settled[index]!;
      const here = await Promise.allSettled([runDecodeJob(job)]);
      if (found.status === 'fulfilled') expect(here[0]).toEqual(found);
      else
        expect(here[0]).toMatchObject({ reason: { message: found.reason.message, code: found.reason.code } });
    }
    expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(2);
  });

  it('goes on with the threads of a pool that ended', async () => {
    const jobs = await someJobs(10, {});
    for (const size of [2, 1, 2]) {
      const pool = openDecodePool(jobs.length, { size });
      const found = await Promise.all(jobs.map((job) => pool.run(job)));
      await pool.close();
      expect(found).toEqual(await Promise.all(jobs.map((job) => runDecodeJob(job))));
    }
  });

  it('takes a file that a decoder does not end with for a bad one, and goes on', async () => {
    const jobs = await someJobs(10, {});
    const pool = openDecodePool(jobs.length, { size: 1, maxMilliseconds: 1 });
    await expect(pool.run(jobs[0]!)).rejects.toThrow(
      /0\.png: image: expected one that can be decoded, found one that takes more than 0\.001 s/,
    );
    await pool.close();
  });
});

describe('openSource on more images than a thread decodes', () => {
  it('keeps their order and leaves bad ones out', async () => {
    const files: Files = { ...(await pictures(40)), 'bad.png': 'no picture' };
    const { images, refusals } = await readSource(files, { skipBadFiles: true });
    expect(refusals).toMatchObject([{ path: 'bad.png' }]);
    const names = Object.keys(files)
      .filter((name) => name !== 'bad.png')
      .sort();
    for (const [index, name] of names.entries()) {
      const png = await encodePng({ shape: [8, 8, 1], pixels: images[index]!.pixels as Uint8Array });
      expect(Buffer.compare(png, Buffer.from(files[name] as Uint8Array))).toBe(0);
    }
  });
});

async function someJobs(count: number, more: Files): Promise<DecodeJob[]> {
  const { folder, files } = await writeFiles({ ...(await pictures(count)), ...more });
  return files.map((file) => ({
    name: file.path,
    format: file.path.endsWith('dcm') ? 'dicom' : 'raster',
    files: [{ ...file, location: join(folder, file.path) }],
    rule: ruleFor('ct'),
  }));
}
