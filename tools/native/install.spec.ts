import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selectBinding } from './binding.mjs';
import { provideLibtensorflow } from './libtensorflow.mjs';
import { extractWheels, fetchWheel, removePartials } from './wheel.mjs';

const WHEEL_NAME = 'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl';
const CC = 'tensorflow/libtensorflow_cc.so.2';

/** A wheel with TensorFlow's layout and a few bytes per member; python3's zipfile writes it as pip expects it. */
const MAKE_WHEEL = `
import sys, zipfile
dist = "tensorflow_cpu-2.21.0.dist-info/"
members = {
  "${CC}": "core", "tensorflow/libtensorflow_framework.so.2": "framework",
  "tensorflow/include/tensorflow/c/c_api.h": "// c", "tensorflow/include/tensorflow/core/platform/p.h": "// p",
  "tensorflow/include/tsl/platform/t.h": "// t", "tensorflow/include/xla/tsl/c/s.h": "// s",
  "tensorflow/python/unused.py": "pass",
  dist + "METADATA": "Metadata-Version: 2.1\\nName: tensorflow-cpu\\nVersion: 2.21.0\\n",
  dist + "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: cp311-cp311-manylinux_2_27_x86_64\\n",
  dist + "RECORD": "",
}
with zipfile.ZipFile(sys.argv[1], "w") as archive:
    for name, text in members.items():
        archive.writestr(name, text)
`;

const root = mkdtempSync(join(tmpdir(), 'medformer-native-'));
const index = join(root, 'index');
let sha256 = '';
let env: NodeJS.ProcessEnv;
const wheel = () => ({ project: 'tensorflow-cpu', version: '2.21.0', sha256 });
const wheels = () => {
  const cpu = [wheel()];
  return { cpu, gpu: cpu };
};
const target = [
  '--only-binary=:all:',
  '--platform=manylinux_2_27_x86_64',
  '--python-version=311',
  '--implementation=cp',
  '--abi=cp311',
];
let caches = 0;
const freshCache = () => {
  const cache = join(root, `cache${caches++}`);
  mkdirSync(join(cache, 'libtensorflow'), { recursive: true });
  return cache;
};

beforeAll(() => {
  mkdirSync(index);
  execFileSync('python3', ['-c', MAKE_WHEEL, join(index, WHEEL_NAME)]);
  sha256 = createHash('sha256')
    .update(readFileSync(join(index, WHEEL_NAME)))
    .digest('hex');
  // The real pip, told to look into a directory instead of the package index.
  env = {
    ...process.env,
    PIP_NO_INDEX: '1',
    PIP_FIND_LINKS: index,
    LIBTENSORFLOW_DIR: '',
    MEDFORMER_TF_VARIANT: '',
  };
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('fetching the pinned wheel', () => {
  it('takes it once: the second time nothing is fetched', async () => {
    const directory = join(freshCache(), 'libtensorflow');
    const path = await fetchWheel(wheel(), { directory, target, env });
    expect(readdirSync(directory)).toEqual([WHEEL_NAME]);
    const offline = { ...env, PIP_FIND_LINKS: root };
    expect(await fetchWheel(wheel(), { directory, target, env: offline })).toBe(path);
  });

  it('refuses other bytes than the pinned ones and leaves nothing in the cache', async () => {
    const directory = join(freshCache(), 'libtensorflow');
    const pin = { ...wheel(), sha256: 'a'.repeat(64) };
    await expect(fetchWheel(pin, { directory, target, env })).rejects.toThrow(
      /other bytes than the pinned tensorflow-cpu 2\.21\.0.*Nothing was installed/,
    );
    expect(readdirSync(directory)).toEqual([]);
  });

  it('refuses a cached wheel that was tampered with, naming file, expected and found', async () => {
    const directory = join(freshCache(), 'libtensorflow');
    const path = await fetchWheel(wheel(), { directory, target, env });
    appendFileSync(path, '!');
    const found = createHash('sha256').update(readFileSync(path)).digest('hex');
    await expect(fetchWheel(wheel(), { directory, target, env })).rejects.toThrow(
      `${path}: wrong checksum: expected sha256 ${sha256}, found ${found}`,
    );
  });

  it('says what to do without a network', async () => {
    const directory = join(freshCache(), 'libtensorflow');
    const offline = { ...env, PIP_FIND_LINKS: root };
    await expect(fetchWheel(wheel(), { directory, target, env: offline })).rejects.toThrow(
      /^Could not fetch tensorflow-cpu 2\.21\.0 .*offline.*LIBTENSORFLOW_DIR/,
    );
  });

  it('says what to install without pip and without Python', async () => {
    const directory = join(freshCache(), 'libtensorflow');
    const withoutPip = join(root, 'python-without-pip');
    writeFileSync(withoutPip, '#!/bin/sh\necho "python3: No module named pip" >&2\nexit 1\n', {
      mode: 0o755,
    });
    await expect(
      fetchWheel(wheel(), { directory, target, env: { ...env, PYTHON: withoutPip } }),
    ).rejects.toThrow(/^pip is missing.*python3-pip/);
    await expect(
      fetchWheel(wheel(), { directory, target, env: { ...env, PYTHON: join(root, 'no-python') } }),
    ).rejects.toThrow(/^Python 3 is needed/);
  });
});

describe('providing libtensorflow', () => {
  it('unpacks the libraries and the C headers, drops the wheel, and then needs no network', async () => {
    const cache = freshCache();
    const found = await provideLibtensorflow({ cache, env, wheels: wheels() });
    expect(readFileSync(join(found.lib, 'libtensorflow.so'), 'utf8')).toBe('core');
    expect(readFileSync(join(found.lib, 'libtensorflow_framework.so.2'), 'utf8')).toBe('framework');
    expect(existsSync(join(found.include, 'tensorflow/c/c_api.h'))).toBe(true);
    expect(readdirSync(join(cache, 'libtensorflow'))).toEqual(['2.21.0-cpu']);
    const offline = { ...env, PIP_FIND_LINKS: root };
    expect(await provideLibtensorflow({ cache, env: offline, wheels: wheels() })).toEqual(found);
  });

  it('repeats an extraction that was killed, and never takes its remains for finished', async () => {
    const cache = freshCache();
    const store = join(cache, 'libtensorflow');
    const path = await fetchWheel(wheel(), { directory: store, target, env });
    const killed = join(root, 'python-killed');
    writeFileSync(
      killed,
      `#!/bin/sh\nmkdir -p "$4/lib"\necho half > "$4/lib/libtensorflow_cc.so.2"\nkill -9 $$\n`,
      {
        mode: 0o755,
      },
    );
    const home = join(store, '2.21.0-cpu');
    const members = [{ from: CC, to: 'lib/libtensorflow_cc.so.2' }];
    await expect(
      extractWheels([{ wheel: path, members }], home, { env: { ...env, PYTHON: killed } }),
    ).rejects.toThrow(/Could not unpack/);
    expect(existsSync(home)).toBe(false);
    const dead = spawnSync('true').pid;
    mkdirSync(`${home}.partial-${dead}-x/lib`, { recursive: true });
    mkdirSync(`${home}.partial-${process.ppid}-x`); // another run, under way
    const found = await provideLibtensorflow({ cache, env, wheels: wheels() });
    expect(readFileSync(join(found.lib, 'libtensorflow_cc.so.2'), 'utf8')).toBe('core');
    expect(readdirSync(store)).toEqual(['2.21.0-cpu', `2.21.0-cpu.partial-${process.ppid}-x`]);
  });

  it('refuses a wheel without the library instead of leaving an empty directory', async () => {
    const cache = freshCache();
    const home = join(cache, 'out');
    const members = [{ from: 'tensorflow/absent.so', to: 'lib/absent.so' }];
    await expect(extractWheels([{ wheel: join(index, WHEEL_NAME), members }], home, { env })).rejects.toThrow(
      'no member tensorflow/absent.so',
    );
    expect(existsSync(home)).toBe(false);
  });

  it('takes a directory of the reader and says what it lacks', async () => {
    const own = join(root, 'own');
    mkdirSync(join(own, 'include/tensorflow/c'), { recursive: true });
    const cache = freshCache();
    await expect(provideLibtensorflow({ cache, env: { ...env, LIBTENSORFLOW_DIR: own } })).rejects.toThrow(
      `LIBTENSORFLOW_DIR=${own} lacks include/tensorflow/c/c_api.h and lib/libtensorflow_cc.so.2`,
    );
    writeFileSync(join(own, 'include/tensorflow/c/c_api.h'), '');
    writeFileSync(join(own, 'libtensorflow_cc.so.2'), 'mine');
    const found = await provideLibtensorflow({ cache, env: { ...env, LIBTENSORFLOW_DIR: own } });
    expect(readFileSync(join(found.lib, 'libtensorflow.so'), 'utf8')).toBe('mine');
    expect(found.version).toBeUndefined();
  });

  it('refuses an unknown variant', async () => {
    const wrong = { ...env, MEDFORMER_TF_VARIANT: 'tpu' };
    await expect(provideLibtensorflow({ cache: freshCache(), env: wrong })).rejects.toThrow(
      'MEDFORMER_TF_VARIANT: expected cpu or gpu, found tpu.',
    );
  });
});

describe('selecting the binding', () => {
  it('moves the link from one build to the next', async () => {
    const cache = freshCache();
    for (const hash of ['old', 'new']) mkdirSync(join(cache, 'tfjs-binding', hash), { recursive: true });
    const at = (hash: string) => ({ path: '', home: join(cache, 'tfjs-binding', hash) });
    expect(await selectBinding(at('old'), cache)).toBe(true);
    expect(await selectBinding(at('new'), cache)).toBe(true);
    expect(await selectBinding(at('new'), cache)).toBe(false);
    expect(readlinkSync(join(cache, 'tfjs-binding/current'))).toBe('new');
    await removePartials(join(cache, 'tfjs-binding'));
    expect(readdirSync(join(cache, 'tfjs-binding')).sort()).toEqual(['current', 'new', 'old']);
  });
});

describe('the installer', () => {
  it('ends with one paragraph and status 1 when something is missing', () => {
    const run = spawnSync(process.execPath, [join(import.meta.dirname, 'install.mjs')], {
      encoding: 'utf8',
      env: { ...env, MEDFORMER_CACHE: freshCache(), LIBTENSORFLOW_DIR: join(root, 'absent') },
    });
    expect(run.status).toBe(1);
    expect(run.stderr.trim().split('\n')).toHaveLength(1);
    expect(run.stderr).toContain('lacks include/tensorflow/c/c_api.h');
  });
});
