import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { backendInfo, useBackend } from './backend.js';
import { diagnose } from './doctor.js';
import { tf } from './tf.js';

const LIBRARY = pathToFileURL(join(import.meta.dirname, '../dist/index.js')).href;

/** Runs code in a fresh process with the built package as `medformer`; the backend is chosen once per process. */
function inFreshProcess(code: string, env: Record<string, string> = {}): { stdout: string; stderr: string } {
  const run = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `const medformer = await import('${LIBRARY}'); const { tf } = medformer;\n${code}`,
    ],
    { encoding: 'utf8', env: { ...process.env, ...env } },
  );
  return { stdout: run.stdout.trim(), stderr: run.stderr };
}

const LOADED = `(await import('node:fs')).readFileSync('/proc/self/maps', 'utf8').includes('libtensorflow_cc')`;

describe('useBackend', () => {
  it('loads no native library before it is called', () => {
    const { stdout } = inFreshProcess(`
      console.log(${LOADED}, medformer.backendInfo().backend);
      await medformer.useBackend();
      console.log(${LOADED}, medformer.backendInfo().backend);`);
    expect(stdout).toBe('false none\ntrue native');
  });

  it('reports the native backend with its TensorFlow version and thread count', async () => {
    const info = await useBackend({ threads: 2 });
    expect(info).toMatchObject({ backend: 'native', threads: 2, missing: [], remedies: [] });
    expect(info.tensorflowVersion).toMatch(/^2\.\d+\.\d+$/);
    expect(backendInfo()).toEqual(info);
    expect(await tf.matMul([[1, 2]], [[3], [4]]).array()).toEqual([[11]]);
  });

  it('refuses another thread count once TensorFlow has its threads', async () => {
    await useBackend({ threads: 2 });
    await expect(useBackend({ threads: 5 })).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    await expect(useBackend({ threads: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('says what to run when the binding is not built, and does not fall back by itself', () => {
    const { stdout } = inFreshProcess(
      `await medformer.useBackend().catch((error) => console.log(error.code, error.message));
       console.log(JSON.stringify(medformer.backendInfo()));`,
      { TFJS_NODE_BINDING: '/nowhere/lib/napi-v8/tfjs_binding.node' },
    );
    const [error, info] = stdout.split('\n');
    expect(error).toBe(
      'FAILED_PRECONDITION the native TensorFlow binding is not built (/nowhere/lib/napi-v8/tfjs_binding.node): run "node tools/native/install.mjs" (or "make") in the repository',
    );
    expect(JSON.parse(info!)).toMatchObject({ backend: 'none', missing: [expect.any(String)] });
  });

  it('says that the library is gone when only the binding is left', () => {
    const home = mkdtempSync(join(tmpdir(), 'medformer-binding-'));
    const binding = join(home, 'tfjs_binding.node');
    writeFileSync(binding, 'not a shared object');
    const { stdout } = inFreshProcess(
      `await medformer.useBackend().catch((error) => console.log(error.code, error.message));`,
      { TFJS_NODE_BINDING: binding },
    );
    expect(stdout).toMatch(/^FAILED_PRECONDITION the TensorFlow library is gone/);
  });

  it('uses WebAssembly with a warning, and only when asked', () => {
    const { stdout, stderr } = inFreshProcess(
      `const info = await medformer.useBackend({ fallback: 'wasm', threads: 1 });
       console.log(info.backend, (await tf.matMul([[1, 2]], [[3], [4]]).array())[0][0]);`,
      { TFJS_NODE_BINDING: '/nowhere/tfjs_binding.node' },
    );
    expect(stdout).toBe('wasm 11');
    expect(stderr).toContain('MEDFORMER_WASM_BACKEND');
    expect(stderr).toContain('is not built');
  });

  it('hands the thread count of a worker thread to TensorFlow', async () => {
    const code = `const { useBackend } = await import('${LIBRARY}');
      const { parentPort } = await import('node:worker_threads');
      parentPort.postMessage(await useBackend({ threads: 1 }));`;
    const worker = new Worker(`(async () => {${code}})()`, { eval: true });
    const info = await new Promise((resolve, reject) => {
      worker.once('message', resolve).once('error', reject);
    });
    await worker.terminate();
    expect(info).toMatchObject({ backend: 'native', threads: 1 });
  });
});

describe('diagnose', () => {
  it('reports a working native backend, measured in a process of its own', async () => {
    const found = await diagnose();
    expect(found).toMatchObject({ backend: 'native', missing: [], node: process.version });
    expect(found.matMulGflops).toBeGreaterThan(0);
    expect(found.memoryBytes).toBeGreaterThanOrEqual(found.freeMemoryBytes);
  });

  it('names what is missing and the remedy instead of failing', () => {
    const { stdout } = inFreshProcess(`console.log(JSON.stringify(await medformer.diagnose()));`, {
      TFJS_NODE_BINDING: '/nowhere/tfjs_binding.node',
    });
    expect(JSON.parse(stdout)).toMatchObject({
      backend: 'none',
      missing: [expect.stringContaining('not built')],
      remedies: [expect.stringContaining('tools/native/install.mjs')],
    });
  });
});
