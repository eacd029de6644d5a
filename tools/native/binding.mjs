import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { copyFile, cp, mkdir, mkdtemp, readlink, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { InstallError } from './install-error.mjs';
import { headerText } from './libtensorflow.mjs';
import { partialName, removePartials } from './wheel.mjs';

/** N-API is ABI-stable: one binding serves every Node release from 12.22 on. tfjs-node's loader looks for 8. */
const NAPI_VERSION = '8';

/** The package that @medformer/tensorflow loads for a variant. */
export function tfjsNodePackage(variant = process.env.MEDFORMER_TF_VARIANT) {
  return variant === 'gpu' ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node';
}

/** Where that package lies, patched. */
export function findTfjsNode(root) {
  const from = join(root, 'libs/tensorflow/package.json');
  try {
    return dirname(createRequire(from).resolve(`${tfjsNodePackage()}/package.json`));
  } catch (cause) {
    throw new InstallError(`${tfjsNodePackage()} is not installed. Run "pnpm install" first.`, { cause });
  }
}

/**
 * tfjs-node's binding compiled against this library, once per content of its sources and headers.
 *
 * @param {{tfjsNode: string, libtensorflow: import('./libtensorflow.mjs').Libtensorflow, cache: string, log?: (line: string) => void}} options
 * @returns {Promise<{path: string, home: string}>} the .node file and its directory in the cache
 */
export async function buildBinding({ tfjsNode, libtensorflow, cache, log = () => {} }) {
  const store = join(cache, 'tfjs-binding');
  const home = join(store, contentHash(tfjsNode, libtensorflow));
  const built = { path: join(home, 'lib', `napi-v${NAPI_VERSION}`, 'tfjs_binding.node'), home };
  if (existsSync(built.path)) {
    await linkLibraries(home, libtensorflow);
    return built;
  }

  log('compiling the TensorFlow.js binding against it (about 20 s)');
  await mkdir(store, { recursive: true });
  await removePartials(store);
  const partial = await mkdtemp(partialName(join(store, '/')));
  try {
    const work = join(partial, 'work');
    await cp(join(tfjsNode, 'binding'), join(work, 'binding'), { recursive: true });
    await copyFile(join(tfjsNode, 'binding.gyp'), join(work, 'binding.gyp'));
    await copyFile(join(tfjsNode, 'package.json'), join(work, 'package.json'));
    await mkdir(join(work, 'deps'));
    await symlink(libtensorflow.include, join(work, 'deps/include'));
    await symlink(libtensorflow.lib, join(work, 'deps/lib'));
    const out = join(partial, 'out');
    await linkLibraries(out, libtensorflow);
    nodeGyp(work, [
      'configure',
      'build',
      '--module_name=tfjs_binding',
      `--module_path=${join(out, 'lib', `napi-v${NAPI_VERSION}`)}`,
      `--napi_build_version=${NAPI_VERSION}`,
      ...nodeHeaders(),
    ]);
    await rename(out, home).catch((error) => {
      if (!existsSync(built.path)) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return built;
}

/** The binding's rpath is `$ORIGIN/../../deps/lib`: a link, so that the 850 MB library is in the cache once. */
async function linkLibraries(home, libtensorflow) {
  const link = join(home, 'deps/lib');
  if ((await readlink(link).catch(() => undefined)) === libtensorflow.lib) return;
  await mkdir(dirname(link), { recursive: true });
  await replaceLink(link, libtensorflow.lib);
}

/** Makes this binding the one that @medformer/tensorflow loads. Returns whether it was not yet. */
export async function selectBinding(binding, cache) {
  const current = join(cache, 'tfjs-binding/current');
  const target = basename(binding.home);
  if ((await readlink(current).catch(() => undefined)) === target) return false;
  await replaceLink(current, target);
  return true;
}

/** Renaming a link into place never shows a reader the moment between two. */
async function replaceLink(path, target) {
  const fresh = `${partialName(`${path}.`)}link`;
  await rm(fresh, { force: true });
  await symlink(target, fresh);
  await rename(fresh, path);
}

function contentHash(tfjsNode, { name: library, include }) {
  const hash = createHash('sha256');
  for (const name of [...readdirSync(join(tfjsNode, 'binding')).sort(), '../binding.gyp']) {
    hash
      .update(`${name}\0`)
      .update(readFileSync(join(tfjsNode, 'binding', name)))
      .update('\0');
  }
  hash.update(headerText(include));
  hash.update([library, process.platform, process.arch, NAPI_VERSION].join('\0'));
  return hash.digest('hex').slice(0, 32);
}

/** The headers beside this Node, when it came with them: then nothing is downloaded. */
function nodeHeaders() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  return existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

function nodeGyp(cwd, args) {
  const program = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  const run = spawnSync(process.execPath, [program, ...args], { cwd, encoding: 'utf8' });
  if (run.status === 0) return;
  const output = `${run.stdout ?? ''}${run.stderr ?? ''}`.trim().split('\n');
  throw new InstallError(
    `Compiling the TensorFlow.js binding failed. It needs a C++17 compiler, make, python3 and Node's headers (Debian: apt-get install build-essential python3 libnode-dev). The last lines of node-gyp:\n${output.slice(-25).join('\n')}`,
  );
}
