import { type MedformerError, toMedformerError } from '@medformer/schema';
import { Counter, Gauge, Histogram, metrics } from '@medformer/telemetry';
import { ShedError } from './batching/admission.js';

/** What an image goes through: waits for its batch, is decoded and converted, is computed, is handed out. */
export type Stage = 'queue' | 'input' | 'infer' | 'output';

const stageSeconds = new Histogram({
  name: 'medformer_encoder_stage_seconds',
  help: 'Time of each encoded image by stage: queue, input (decoding and conversion), infer (its whole batch), output.',
  labelNames: ['stage'],
  buckets: [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
  registers: [metrics],
});

const batchSize = new Histogram({
  name: 'medformer_encoder_batch_size',
  help: 'Images of each computed batch, padding left out.',
  buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
  registers: [metrics],
});

const images = new Counter({
  name: 'medformer_encoder_images_total',
  help: 'Images encoded.',
  registers: [metrics],
});

const requests = new Counter({
  name: 'medformer_encoder_requests_total',
  help: 'Images asked for by any protocol: ok, refused (reason: what the caller did), shed (reason: what was full or late) or failed.',
  labelNames: ['outcome', 'reason'],
  registers: [metrics],
});

const unfollowed = new Counter({
  name: 'medformer_encoder_choice_failures_total',
  help: "Tries at following another encoder's choice of models that failed; the old models go on.",
  registers: [metrics],
});

// From the beginning, so that a rate sees the first ones.
requests.inc({ outcome: 'ok', reason: 'none' }, 0);
requests.inc({ outcome: 'refused', reason: 'no-model' }, 0);
for (const stage of ['queue', 'input', 'infer', 'output']) stageSeconds.zero({ stage });

/** What the gauges read: one encoder, several in a process of tests. */
export interface EncoderState {
  waiting: number;
  pendingBytes: number;
  modelsLoaded: number;
  generation: number;
  /** Undefined where there is nothing to say. */
  drift: number | undefined;
}

const states = new Set<EncoderState>();

gauge('medformer_encoder_queue_depth', 'Images that wait for their batch, decoding included.', 'waiting');
gauge('medformer_encoder_pending_bytes', 'Bytes of images that wait or are computed.', 'pendingBytes');
gauge('medformer_encoder_models_loaded', 'Models that answer.', 'modelsLoaded');

new Gauge({
  name: 'medformer_encoder_choice_generation',
  help: 'Number of the choice of models that is served; all encoders on a store get to the same.',
  registers: [metrics],
  collect() {
    this.set(Math.max(0, ...[...states].map(({ generation }) => generation)));
  },
});

new Gauge({
  name: 'medformer_encoder_embedding_drift',
  help: "Distance of the default model's last 1,000 embeddings from those of its training images, over their variance: 0 alike, 1 as far as they are wide. Absent before an evaluation embedded training images, and below 32 images.",
  // With a label there is no value until one is set.
  labelNames: ['against'],
  registers: [metrics],
  collect() {
    this.reset();
    const found = [...states].flatMap(({ drift }) => drift ?? []);
    if (found.length > 0) this.set({ against: 'training' }, Math.max(...found));
  },
});

/** Shows an encoder's state until the function that it returns is called. */
export function showState(state: EncoderState): () => void {
  states.add(state);
  return () => states.delete(state);
}

export function observeStage(stage: Stage, ms: number): void {
  stageSeconds.observe({ stage }, ms / 1000);
}

export function countBatch(size: number): void {
  batchSize.observe(size);
}

export function countUnfollowed(): void {
  unfollowed.inc();
}

export function countEncoded(): void {
  images.inc();
  requests.inc({ outcome: 'ok', reason: 'none' });
}

export function countNotEncoded(thrown: unknown): void {
  requests.inc(outcomeOf(toMedformerError(thrown)));
}

function outcomeOf(error: MedformerError): { outcome: string; reason: string } {
  if (error instanceof ShedError) return { outcome: 'shed', reason: error.reason };
  switch (error.code) {
    case 'DEADLINE_EXCEEDED':
      return { outcome: 'shed', reason: 'late' };
    case 'CANCELLED':
      return { outcome: 'refused', reason: 'cancelled' };
    case 'INVALID_ARGUMENT':
      return { outcome: 'refused', reason: 'bad-image' };
    case 'NOT_FOUND':
    case 'FAILED_PRECONDITION':
      return { outcome: 'refused', reason: 'no-model' };
    case 'UNAVAILABLE':
      return { outcome: 'failed', reason: 'process-lost' };
    default:
      return { outcome: 'failed', reason: 'defect' };
  }
}

function gauge(name: string, help: string, of: Exclude<keyof EncoderState, 'drift' | 'generation'>): void {
  new Gauge({
    name,
    help,
    registers: [metrics],
    collect() {
      this.set([...states].reduce((sum, state) => sum + state[of], 0));
    },
  });
}
