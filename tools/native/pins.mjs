/**
 * The one release of TensorFlow this project builds against, as PyPI names and hashes it.
 * Any CPython's wheel would do, since only the C libraries and headers are used: cp311 is the one pinned.
 */
export const TENSORFLOW_VERSION = '2.21.0';

const CPU_WHEEL = {
  project: 'tensorflow-cpu',
  version: TENSORFLOW_VERSION,
  sha256: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
};

/** Carries the same C API with the CUDA kernels in it. */
const GPU_WHEEL = {
  project: 'tensorflow',
  version: TENSORFLOW_VERSION,
  sha256: '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
};

/** What `pip` is told, so that the interpreter that runs it does not matter. */
export const WHEEL_TARGET = [
  '--only-binary=:all:',
  '--platform=manylinux_2_27_x86_64',
  '--python-version=311',
  '--implementation=cp',
  '--abi=cp311',
];

/** @typedef {{project: string, version: string, sha256: string}} Wheel */
/** @type {Record<'cpu' | 'gpu', Wheel>} */
export const TENSORFLOW_WHEELS = { cpu: CPU_WHEEL, gpu: GPU_WHEEL };
