#!/usr/bin/env node
/**
 * Native TensorFlow for this checkout: fetches the pinned library, builds tfjs-node's binding against it, tests it.
 * Does nothing, in well under a second, when all of that is done.
 *
 *   node tools/native/install.mjs [--no-select]
 *
 * With --no-select the checkout goes on with the binding it has; the last line says where this one is.
 *
 * Environment: MEDFORMER_CACHE (default <repository>/.cache), LIBTENSORFLOW_DIR (a library of your own),
 * MEDFORMER_TF_VARIANT=cpu|gpu, PYTHON; pip's own variables (PIP_INDEX_URL and so on) are honoured.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildBinding, findTfjsNode, selectBinding } from './binding.mjs';
import { InstallError } from './install-error.mjs';
import { provideLibtensorflow } from './libtensorflow.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cache = resolve(process.env.MEDFORMER_CACHE || join(root, '.cache'));
const log = (line) => console.log(`native TensorFlow: ${line}`);

try {
  await install();
} catch (error) {
  if (!(error instanceof InstallError)) throw error;
  console.error(`native TensorFlow: ${error.message}`);
  process.exitCode = 1;
}

async function install() {
  const tfjsNode = findTfjsNode(root);
  const libtensorflow = await provideLibtensorflow({ cache, log });
  const binding = await buildBinding({ tfjsNode, libtensorflow, cache, log });
  const passed = join(binding.home, 'self-test-passed.json');
  if (!existsSync(passed)) {
    const found = selfTest(binding.path, libtensorflow.version);
    await writeFile(passed, found);
    const { version, gpu } = JSON.parse(found);
    log(`TensorFlow ${version} on the ${gpu ? 'GPU' : 'CPU'} passed its self-test`);
  }
  if (process.argv.includes('--no-select')) console.log(binding.home);
  else await selectBinding(binding, cache);
}

/** In a process of its own: a wrong library must not take the installer down with it. */
function selfTest(bindingPath, version) {
  const script = fileURLToPath(new URL('self-test.mjs', import.meta.url));
  const args = [script, root, ...(version ? [version] : [])];
  const env = { ...process.env, TFJS_NODE_BINDING: bindingPath };
  const run = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  const lines = run.stdout.trim().split('\n');
  if (run.status === 0) return `${lines.at(-1)}\n`;
  const reason = run.signal
    ? `it was killed by ${run.signal}`
    : run.stderr.trim().split('\n').slice(-15).join('\n');
  throw new InstallError(`The built binding failed its self-test: ${reason}`);
}
