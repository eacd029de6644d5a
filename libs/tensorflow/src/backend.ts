import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { MedformerError } from '@medformer/schema';
import { NATIVE_BACKEND_NAME, nativeBackend } from './native-backend.js';
import { tf } from './tf.js';

export type BackendName = 'native' | 'wasm';

/** What runs the tensors of this thread, and what keeps a better one from running. */
export interface BackendInfo {
  /** `none` before `useBackend`. */
  backend: BackendName | 'none';
  /** Of the loaded native library. */
  tensorflowVersion: string | undefined;
  /** Threads it computes on. */
  threads: number;
  gpu: boolean;
  /** The native binding that is, or would be, loaded. */
  bindingPath: string;
  missing: string[];
  /** A command or a step for each entry of `missing`, in the same order. */
  remedies: string[];
}

export interface BackendChoice {
  /** Default `native`. `wasm` is about 17 times slower at training and says so in a process warning. */
  prefer?: BackendName;
  /** What to use, with a process warning, when the preferred one cannot load; default: nothing, throw. */
  fallback?: 'wasm';
  /** Threads to compute on; default: the machine's. Fixed once the native library is loaded. */
  threads?: number;
  /**
   * What the threads share. `op` (default): each op, one op after the other. `graph`: the ops of a recorded step, each
   * on one thread: faster by a fifth for a training step whose batch is computed in as many parts, because ops of half
   * a millisecond no longer wait for each other's halves and their data stays in a core's cache.
   */
  share?: 'op' | 'graph';
}

/**
 * Loads a TensorFlow backend for this thread and makes it tfjs's own. Calling it again is free.
 *
 * @throws MedformerError FAILED_PRECONDITION when the backend cannot load (the message holds the remedy), or when
 *   another thread count is asked for than it was loaded with
 * @throws MedformerError INVALID_ARGUMENT for a thread count below 1
 */
export async function useBackend(choice: BackendChoice = {}): Promise<BackendInfo> {
  const { prefer = 'native', fallback, threads, share = 'op' } = choice;
  if (threads !== undefined && (!Number.isInteger(threads) || threads < 1)) {
    throw new MedformerError('INVALID_ARGUMENT', `threads: expected a whole number from 1, found ${threads}`);
  }
  if (prefer === 'wasm') {
    await useWasm(threads, 'asked for');
    return backendInfo();
  }
  try {
    await useNative(threads, share);
  } catch (error) {
    if (fallback !== 'wasm') throw error;
    await useWasm(threads, `native TensorFlow cannot load: ${(error as Error).message}`);
  }
  return backendInfo();
}

/** The state of this thread's backend; loads nothing. */
export function backendInfo(): BackendInfo {
  const native = tf.engine().backendName === NATIVE_BACKEND_NAME;
  const wasm = tf.engine().backendName === 'wasm';
  const binding = native ? nativeBackend().binding : undefined;
  const { missing, remedies } = native ? { missing: [], remedies: [] } : findMissing();
  return {
    backend: native ? 'native' : wasm ? 'wasm' : 'none',
    tensorflowVersion: binding?.TF_Version,
    threads: loadedThreads ?? availableParallelism(),
    gpu: binding?.isUsingGpuDevice() ?? false,
    bindingPath: bindingPath(),
    missing,
    remedies,
  };
}

const require = createRequire(import.meta.url);
const INSTALL = 'run "node tools/native/install.mjs" (or "make") in the repository';

/** Set when a backend is loaded. */
let loadedThreads: number | undefined;

async function useNative(threads: number | undefined, share: 'op' | 'graph'): Promise<void> {
  if (tf.findBackend(NATIVE_BACKEND_NAME)) {
    if (threads !== undefined && threads !== loadedThreads) {
      throw new MedformerError(
        'FAILED_PRECONDITION',
        `threads: TensorFlow is already loaded with ${loadedThreads}, found ${threads}; choose before its first use`,
      );
    }
  } else {
    const { missing, remedies } = findMissing();
    if (missing.length > 0) {
      throw new MedformerError('FAILED_PRECONDITION', `${missing.join('; ')}: ${remedies.join('; ')}`);
    }
    const count = threads ?? (Number(process.env.TF_NUM_INTRAOP_THREADS) || availableParallelism());
    // TensorFlow reads these once, when its context is made. The patched binding takes them from this thread's env.
    process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
    process.env.TF_NUM_INTRAOP_THREADS = String(share === 'op' ? count : 1);
    process.env.TF_NUM_INTEROP_THREADS = String(count);
    process.env.TFJS_NODE_BINDING = bindingPath();
    try {
      await import(pathToFileURL(require.resolve(tfjsNodePackage())).href);
    } catch (cause) {
      throw new MedformerError(
        'FAILED_PRECONDITION',
        `native TensorFlow does not load (${firstLine(cause)}): ${INSTALL}`,
        { cause },
      );
    }
    loadedThreads = count;
  }
  await select(NATIVE_BACKEND_NAME);
}

/** On a GPU node the package of that name; the CPU's twin elsewhere. Both load the binding of the installed variant. */
function tfjsNodePackage(): string {
  return process.env.MEDFORMER_TF_VARIANT === 'gpu' ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node';
}

async function useWasm(threads: number | undefined, why: string): Promise<void> {
  process.emitWarning(
    `TensorFlow.js runs on WebAssembly (${why}). Training is about 17 times slower than native and some 3D gradients are missing.`,
    { code: 'MEDFORMER_WASM_BACKEND' },
  );
  const wasm = (await import('@tensorflow/tfjs-backend-wasm')) as unknown as {
    default: typeof import('@tensorflow/tfjs-backend-wasm');
  };
  const count = threads ?? availableParallelism();
  wasm.default.setThreadsCount(count);
  loadedThreads ??= count;
  await select('wasm');
}

async function select(name: string): Promise<void> {
  if (!(await tf.setBackend(name))) {
    throw new MedformerError('FAILED_PRECONDITION', `TensorFlow.js refuses its backend ${name}`);
  }
  await tf.ready();
}

/** `TFJS_NODE_BINDING`, else the one tools/native/install.mjs selected in `MEDFORMER_CACHE` or the checkout's .cache. */
function bindingPath(): string {
  if (process.env.TFJS_NODE_BINDING) return process.env.TFJS_NODE_BINDING;
  const cache = process.env.MEDFORMER_CACHE ?? fileURLToPath(new URL('../../../.cache', import.meta.url));
  return join(cache, 'tfjs-binding/current/lib/napi-v8/tfjs_binding.node');
}

function findMissing(): { missing: string[]; remedies: string[] } {
  const binding = bindingPath();
  const library = join(dirname(binding), '../../deps/lib');
  const missing: string[] = [];
  if (!existsSync(binding)) missing.push(`the native TensorFlow binding is not built (${binding})`);
  else if (!existsSync(library)) missing.push(`the TensorFlow library is gone (${library})`);
  return { missing, remedies: missing.map(() => INSTALL) };
}

const firstLine = (thrown: unknown): string =>
  String((thrown as Error)?.message ?? thrown).split('\n')[0] ?? '';
