// Run inside a built image by build.sh: what only fails there (shared libraries, users, left-out files) fails the build.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';

assert.notEqual(process.getuid(), 0, 'runs as root');

const sharp = createRequire('/app/libs/imaging/dist/index.js')('sharp');
const red = { create: { width: 8, height: 8, channels: 3, background: '#ff0000' } };
const pixels = await sharp(await sharp(red).png().toBuffer())
  .raw()
  .toBuffer();
assert.deepEqual([...pixels.subarray(0, 3)], [255, 0, 0], 'sharp decodes what it encoded');

const { backendInfo, tf, useBackend } = await import('/app/libs/tensorflow/dist/index.js');
await useBackend({ threads: 1 });
assert.equal(backendInfo().backend, 'native');
assert.deepEqual([...tf.matMul([[1, 2]], [[3], [4]]).dataSync()], [11]);

for (const stage of ['ingestion', 'augmentation', 'trainer', 'evaluation', 'encoder'])
  assert.ok(existsSync(`/app/services/${stage}/dist/main.js`), stage);
console.log(`sharp ${sharp.versions.sharp}, TensorFlow ${backendInfo().tensorflowVersion}`);
