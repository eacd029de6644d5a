import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { InstallError } from './install-error.mjs';
import { TENSORFLOW_VERSION, TENSORFLOW_WHEELS, WHEEL_TARGET } from './pins.mjs';
import { extractWheels, fetchWheel, partialName, removePartials } from './wheel.mjs';

/**
 * @typedef {object} Libtensorflow
 * @property {string} name which library it is
 * @property {string} lib directory with libtensorflow.so and libtensorflow_framework.so (links included)
 * @property {string} include directory with tensorflow/c/c_api.h
 * @property {string | undefined} version known for the pinned wheel only
 */

/**
 * TensorFlow's C library: the reader's own (`LIBTENSORFLOW_DIR`), else the pinned wheel's, fetched once per cache.
 *
 * @param {{cache: string, env?: NodeJS.ProcessEnv, wheels?: typeof TENSORFLOW_WHEELS, log?: (line: string) => void}} options
 * @returns {Promise<Libtensorflow>}
 */
export async function provideLibtensorflow({
  cache,
  env = process.env,
  wheels = TENSORFLOW_WHEELS,
  log = () => {},
}) {
  if (env.LIBTENSORFLOW_DIR) return adoptLibtensorflow(resolve(env.LIBTENSORFLOW_DIR), cache);
  const variant = env.MEDFORMER_TF_VARIANT || 'cpu';
  if (variant !== 'cpu' && variant !== 'gpu') {
    throw new InstallError(`MEDFORMER_TF_VARIANT: expected cpu or gpu, found ${variant}.`);
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new InstallError(
      `The pinned TensorFlow is for linux x64, this is ${process.platform} ${process.arch}. Set LIBTENSORFLOW_DIR to a TensorFlow ${TENSORFLOW_VERSION} C library for it.`,
    );
  }
  const store = join(cache, 'libtensorflow');
  const home = join(store, `${TENSORFLOW_VERSION}-${variant}`);
  if (!existsSync(home)) {
    await removePartials(store);
    const fetched = [];
    for (const wheel of wheels[variant]) {
      fetched.push(await fetchWheel(wheel, { directory: store, target: WHEEL_TARGET, env, log }));
    }
    log('unpacking the C library and its headers');
    const [tensorflow, ...cuda] = fetched;
    await extractWheels(
      [
        { wheel: tensorflow, members: TENSORFLOW_MEMBERS },
        // TensorFlow's library looks for these in ../nvidia.
        ...cuda.map((wheel) => ({ wheel, members: [{ from: 'nvidia/', to: 'nvidia/' }] })),
      ],
      home,
      { env },
    );
    for (const wheel of fetched) await rm(wheel);
  }
  return {
    name: basename(home),
    lib: await linkNames(join(home, 'lib')),
    include: join(home, 'include'),
    version: TENSORFLOW_VERSION,
  };
}

/** A directory of the reader's: `lib/` or the libraries at its top, as in the wheel and in the C tarball. */
async function adoptLibtensorflow(home, cache) {
  const include = join(home, 'include');
  const lib = [join(home, 'lib'), home].find((directory) => libraryIn(directory) !== undefined);
  const missing = [
    ...(existsSync(join(include, 'tensorflow/c/c_api.h')) ? [] : ['include/tensorflow/c/c_api.h']),
    ...(lib ? [] : ['lib/libtensorflow_cc.so.2 (or lib/libtensorflow.so.2)']),
  ];
  if (!lib || missing.length > 0) {
    throw new InstallError(
      `LIBTENSORFLOW_DIR=${home} lacks ${missing.join(' and ')}. Point it at the directory "tensorflow" of an unpacked TensorFlow wheel or at the C tarball's directory, or unset it to use the pinned release.`,
    );
  }
  // Links for the linker go to the cache: the directory may be read-only.
  const links = join(cache, 'libtensorflow', `own-${Buffer.from(lib).toString('base64url').slice(-64)}`);
  return { name: home, lib: await linkNames(lib, links), include, version: undefined };
}

const TENSORFLOW_MEMBERS = [
  { from: 'tensorflow/libtensorflow_cc.so.2', to: 'lib/libtensorflow_cc.so.2' },
  { from: 'tensorflow/libtensorflow_framework.so.2', to: 'lib/libtensorflow_framework.so.2' },
  // What the C API includes of the wheel's 13,000 headers.
  ...['tensorflow/c/', 'tensorflow/core/platform/', 'tsl/platform/', 'xla/tsl/c/'].map((headers) => ({
    from: `tensorflow/include/${headers}`,
    to: `include/${headers}`,
  })),
];

const CORE = ['libtensorflow_cc.so.2', 'libtensorflow.so.2', 'libtensorflow.so'];
const FRAMEWORK = ['libtensorflow_framework.so.2', 'libtensorflow_framework.so'];

const libraryIn = (directory) => CORE.find((name) => existsSync(join(directory, name)));

/** `-ltensorflow` needs the plain names; the loader needs the versioned ones. One directory has both. */
async function linkNames(lib, links = `${lib}-links`) {
  if (!existsSync(links)) {
    await mkdir(join(links, '..'), { recursive: true });
    const partial = await mkdtemp(partialName(`${links}.`));
    const core = libraryIn(lib);
    const framework = FRAMEWORK.find((name) => existsSync(join(lib, name)));
    for (const [name, target] of [
      ['libtensorflow.so', core],
      [core, core],
      ['libtensorflow_framework.so', framework],
      [framework, framework],
    ]) {
      if (target)
        await symlink(relative(partial, join(lib, target)), join(partial, name)).catch(ignoreExisting);
    }
    await rename(partial, links).catch((error) => {
      if (!existsSync(links)) throw error;
    });
  }
  return links;
}

function ignoreExisting(error) {
  if (error.code !== 'EEXIST') throw error;
}

/** Identifies the headers a binding is compiled against. */
export const headerText = (include) =>
  ['c_api.h', 'c_api_experimental.h', 'eager/c_api.h']
    .map((name) => readFileSync(join(include, 'tensorflow/c', name), 'utf8'))
    .join('\n');
