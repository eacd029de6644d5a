import { type ComputeState, computeLosses, computeStates, LOSS_CAUSES } from '@medformer/compute';
import { Counter, Gauge, type Registry } from 'prom-client';

const labelNames = ['process'] as const;

/** Shows the compute processes of this service, one series for all processes that do the same. */
export function startComputeMetrics(registry: Registry): void {
  const gauge = (name: string, help: string, of: (states: ComputeState[]) => number) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const name of new Set(computeStates().map(({ name }) => name)))
          this.set({ process: labelOf(name) }, of(computeStates().filter((state) => state.name === name)));
      },
    });
  const sum = (of: (state: ComputeState) => number | undefined) => (states: ComputeState[]) =>
    states.reduce((total, state) => total + (of(state) ?? 0), 0);

  gauge(
    'medformer_compute_processes',
    'Compute processes that run now.',
    sum(({ pid }) => (pid ? 1 : 0)),
  );
  gauge(
    'medformer_compute_calls',
    'Calls under way in compute processes.',
    sum(({ calls }) => calls),
  );
  gauge(
    'medformer_compute_resident_bytes',
    'Physical memory of compute processes.',
    sum(({ vitals }) => vitals?.residentBytes),
  );
  gauge(
    'medformer_compute_heap_bytes',
    "JavaScript's memory in compute processes.",
    sum(({ vitals }) => vitals?.heapBytes),
  );
  gauge(
    'medformer_compute_tensors',
    'Tensors alive in compute processes.',
    sum(({ vitals }) => vitals?.tensors),
  );
  gauge(
    'medformer_compute_tensor_bytes',
    'Bytes of the tensors alive in compute processes.',
    sum(({ vitals }) => vitals?.bytes),
  );
  gauge(
    'medformer_compute_eventloop_delay_seconds',
    'Longest wait of a compute process for its thread since it told before, kernels included.',
    (states) => Math.max(...states.map(({ vitals }) => vitals?.eventLoopDelaySeconds ?? 0)),
  );
  new Counter({
    name: 'medformer_compute_losses_total',
    help: 'Compute processes that ended unasked; the next call starts another.',
    labelNames: ['process', 'cause'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [name, lost] of computeLosses())
        for (const cause of LOSS_CAUSES) this.inc({ process: labelOf(name), cause }, lost[cause]);
    },
  });
}

/** `training process` is `training`. */
function labelOf(name: string): string {
  return name.replace(/ process$/, '').replaceAll(' ', '-');
}
