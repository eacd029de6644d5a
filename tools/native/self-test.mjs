/**
 * Loads the binding that was just built and compares it with numbers known beforehand.
 * Runs as a child process of install.mjs: `node self-test.mjs <repository> [expected TensorFlow version]`.
 */
import { ok, strictEqual } from 'node:assert';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { tfjsNodePackage } from './binding.mjs';

const [root, expectedVersion] = process.argv.slice(2);
process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
const tf = createRequire(join(root, 'libs/tensorflow/package.json'))(tfjsNodePackage());
const { binding } = tf.backend();

const version = binding.TF_Version;
if (expectedVersion) strictEqual(version, expectedVersion, 'TF_Version');

const product = tf.matMul(
  [
    [1, 2],
    [3, 4],
  ],
  [
    [5, 6],
    [7, 8],
  ],
);
strictEqual(product.dataSync().join(), '19,22,43,50', 'matMul');

// d/dw of the sum over a 2x2x2 convolution of ones on a 3x3x3 image of ones: eight windows see every weight.
const image = tf.ones([1, 3, 3, 3, 1]);
const gradient = tf.grad((filter) => tf.conv3d(image, filter, 1, 'valid').sum())(tf.ones([2, 2, 2, 1, 1]));
strictEqual(gradient.dataSync().join(), '8,8,8,8,8,8,8,8', 'gradient of conv3d');

for (const name of ['executeOpAsync', 'addGraphFunction', 'removeGraphFunction', 'enableCollectives']) {
  ok(typeof binding[name] === 'function', `the binding lacks ${name}: is the patch of tfjs-node applied?`);
}
const [id] = tf.backend().getInputTensorIds([product]);
const [squared] = await binding.executeOpAsync('Square', [], [id], 1);
strictEqual(
  binding.tensorDataSync(squared.id).join(),
  '361,484,1849,2500',
  'Square off the JavaScript thread',
);

console.log(JSON.stringify({ version, gpu: binding.isUsingGpuDevice() }));
