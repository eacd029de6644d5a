import { MedformerError, toMedformerError } from '@medformer/schema';
import { shed } from './admission.js';
import { batchSizes, fittingBatch } from './batch-sizes.js';
import { RunTimes } from './run-times.js';

/** Levels of urgency; a lower one goes first. */
export const LEVELS = [0, 1, 2] as const;
export type Level = (typeof LEVELS)[number];

export interface BatcherOptions {
  /** Images of one batch at most. */
  maxBatch: number;
  /** How long the oldest image of a batch that is not full waits for others, ms. 0: whatever waits goes together. */
  maxDelayMs: number;
  now?: () => number;
}

export interface SubmitOptions {
  /** Only images of one bucket go together. */
  bucket: string;
  level?: Level | undefined;
  /** When the caller stops waiting, by `Date.now()`. */
  deadlineMs?: number | undefined;
  signal: AbortSignal;
  /** Called when the image's batch begins. */
  onBegin?: (() => void) | undefined;
}

export interface Batched<Output> {
  output: Output;
  queueMs: number;
  /** Images of the batch that this one was of. */
  images: number;
}

/** Computes one batch: an output or an error for each of its items, in their order. `size` is what to pad it to. */
export type RunBatch<Item, Output> = (
  items: Item[],
  size: number,
  bucket: string,
) => Promise<(Output | MedformerError)[]>;

/** Batches handed over while another is computed, so that the processor finds the next one there. */
const UNDER_WAY = 2;
/**
 * So long before a batch is expected to end the next is handed over, full or not: the way to the processor and the
 * conversion of pixels are then over when it is free. Never more than a share of the batch, or few would go together.
 */
const LEAD_MS = 3;
const LEAD_SHARE = 0.2;

/**
 * Collects single images into batches. A batch begins when it is full, or when its delay is over and nothing is computed
 * or what is computed is about to end; until then the next is collected. Of several buckets the one whose most urgent
 * image waits longest goes first, so that none starves another of its level. Nothing is polled: submissions, ends of
 * batches and one timer release.
 */
export class DynamicBatcher<Item, Output> {
  private readonly buckets = new Map<string, Bucket<Item, Output>>();
  private readonly sizes: readonly number[];
  private readonly times: RunTimes;
  private readonly now: () => number;
  /** Kinds of the batches handed over; the first is computed, since `since`. */
  private readonly underWay: string[] = [];
  private since = 0;
  private scheduled = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly options: BatcherOptions,
    private readonly run: RunBatch<Item, Output>,
  ) {
    this.sizes = batchSizes(options.maxBatch);
    this.now = options.now ?? (() => performance.now());
    this.times = new RunTimes(this.now);
  }

  /** Images that wait for their batch. */
  get waiting(): number {
    return [...this.buckets.values()].reduce((sum, bucket) => sum + bucket.size, 0);
  }

  /**
   * Resolves when the image's batch is computed.
   * @throws MedformerError RESOURCE_EXHAUSTED `deadline` when what waits already takes longer than the caller will;
   *   `displaced` when `displace` took its place; DEADLINE_EXCEEDED when its turn comes too late to be computed; the
   *   reason of `signal`; what the batch threw for it
   */
  submit(item: Item, options: SubmitOptions): Promise<Batched<Output>> {
    const { bucket: key, level = 1, signal } = options;
    signal.throwIfAborted();
    this.refuseHopeless(options);
    return new Promise((resolve, reject) => {
      const bucket = this.buckets.get(key) ?? new Bucket<Item, Output>(key);
      this.buckets.set(key, bucket);
      const waiting: Waiting<Item, Output> = {
        item,
        since: this.now(),
        deadlineMs: options.deadlineMs ?? Number.POSITIVE_INFINITY,
        begin: () => options.onBegin?.(),
        settle: (outcome) => {
          signal.removeEventListener('abort', cancel);
          if (outcome instanceof MedformerError) reject(outcome);
          else resolve(outcome);
        },
      };
      const cancel = () => {
        this.remove(bucket, level, waiting);
        waiting.settle(toMedformerError(signal.reason));
      };
      signal.addEventListener('abort', cancel, { once: true });
      bucket.levels[level].add(waiting);
      this.schedule();
    });
  }

  /** Gives up the image of the least urgent level below `level` that came last; false when there is none. */
  displace(level: Level): boolean {
    for (const below of [...LEVELS].reverse()) {
      if (below <= level) return false;
      const last = [...this.buckets.values()]
        .flatMap((bucket) => {
          const waiting = [...bucket.levels[below]].at(-1);
          return waiting ? [{ bucket, waiting }] : [];
        })
        .sort((x, y) => y.waiting.since - x.waiting.since)[0];
      if (!last) continue;
      this.remove(last.bucket, below, last.waiting);
      last.waiting.settle(shed('displaced', 'a more urgent image took its place in the queue'));
      return true;
    }
    return false;
  }

  /** Whatever was submitted in this turn of the event loop goes together. */
  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.release();
    });
  }

  private release(): void {
    clearTimeout(this.timer);
    while (this.underWay.length < UNDER_WAY) {
      const bucket = this.nextDue();
      if (!bucket) break;
      const { images } = fittingBatch(bucket.size, this.sizes);
      const batch = this.take(bucket, images);
      if (batch.length > 0) void this.compute(bucket.key, batch);
    }
    if (this.underWay.length < UNDER_WAY) this.armTimer();
  }

  /**
   * Beside a batch that is computed and does not end soon, one more is handed over only when there is a full one; whose
   * turn it is goes all the same, so that a busy bucket does not keep the others waiting.
   */
  private nextDue(): Bucket<Item, Output> | undefined {
    const buckets = [...this.buckets.values()];
    if (this.now() < this.freeFrom() && !buckets.some((bucket) => this.isFull(bucket))) return undefined;
    const [first, ...others] = buckets.filter((bucket) => this.isDue(bucket));
    if (!first) return undefined;
    return others.reduce((best, bucket) => (bucket.goesBefore(best) ? bucket : best), first);
  }

  private isFull(bucket: Bucket<Item, Output>): boolean {
    return bucket.size >= this.options.maxBatch;
  }

  private isDue(bucket: Bucket<Item, Output>): boolean {
    return this.isFull(bucket) || this.now() - bucket.oldest >= this.options.maxDelayMs;
  }

  /** When a batch that is not full may be handed over: soon before what is computed ends, if it is known how long that takes. */
  private freeFrom(): number {
    const [kind] = this.underWay;
    if (kind === undefined) return Number.NEGATIVE_INFINITY;
    const least = this.times.least(kind);
    if (least === 0) return Number.POSITIVE_INFINITY;
    return this.since + least - Math.min(LEAD_MS, LEAD_SHARE * least);
  }

  private armTimer(): void {
    const oldest = [...this.buckets.values()].map((bucket) => bucket.oldest);
    const from = Math.max(Math.min(...oldest) + this.options.maxDelayMs, this.freeFrom());
    if (from === Number.POSITIVE_INFINITY) return;
    const wait = from - this.now();
    // Timers of a fraction of a millisecond would fire before the delay is over.
    this.timer = setTimeout(() => this.release(), Math.max(1, Math.ceil(wait)));
  }

  /** The most urgent and oldest of a bucket, less those that are too late. */
  private take(bucket: Bucket<Item, Output>, images: number): Waiting<Item, Output>[] {
    const batch: Waiting<Item, Output>[] = [];
    const least = this.times.least(kindOf(bucket.key, fittingBatch(images, this.sizes).size));
    for (const level of LEVELS) {
      for (const waiting of bucket.levels[level]) {
        if (batch.length === images) break;
        this.remove(bucket, level, waiting);
        if (Date.now() + least <= waiting.deadlineMs) batch.push(waiting);
        else waiting.settle(new MedformerError('DEADLINE_EXCEEDED', 'its turn came too late to be computed'));
      }
    }
    return batch;
  }

  private async compute(bucket: string, batch: Waiting<Item, Output>[]): Promise<void> {
    const began = this.now();
    const padded = Math.max(fittingBatch(batch.length, this.sizes).size, batch.length);
    const kind = kindOf(bucket, padded);
    if (this.underWay.push(kind) === 1) this.since = began;
    for (const waiting of batch) waiting.begin();
    try {
      const outputs = await this.run(
        batch.map(({ item }) => item),
        padded,
        bucket,
      );
      // From when the batch before it ended: in the pipeline its time would be that of two.
      if (this.underWay[0] === kind) this.times.add(kind, this.now() - this.since);
      batch.forEach((waiting, at) => {
        const output = outputs[at]!;
        if (output instanceof MedformerError) waiting.settle(output);
        else waiting.settle({ output, queueMs: began - waiting.since, images: batch.length });
      });
    } catch (thrown) {
      for (const waiting of batch) waiting.settle(toMedformerError(thrown));
    } finally {
      this.underWay.splice(this.underWay.indexOf(kind), 1);
      this.since = this.now();
      this.release();
    }
  }

  /** Refuses at once whom the queue ahead makes too late: another replica may still be in time. */
  private refuseHopeless({ bucket, level = 1, deadlineMs }: SubmitOptions): void {
    if (deadlineMs === undefined) return;
    const full = this.times.least(kindOf(bucket, this.options.maxBatch));
    if (full === 0) return;
    const ahead = [...this.buckets.values()].reduce((sum, each) => sum + each.countBefore(level), 0);
    const batches = Math.floor(ahead / this.options.maxBatch);
    const left = deadlineMs - Date.now();
    if (batches * full <= left) return;
    throw shed(
      'deadline',
      `${ahead} images go first and take ${Math.round(batches * full)} ms, ${Math.round(left)} ms are left`,
    );
  }

  private remove(bucket: Bucket<Item, Output>, level: Level, waiting: Waiting<Item, Output>): void {
    bucket.levels[level].delete(waiting);
    if (bucket.size === 0 && this.buckets.get(bucket.key) === bucket) this.buckets.delete(bucket.key);
  }
}

interface Waiting<Item, Output> {
  item: Item;
  since: number;
  deadlineMs: number;
  begin(): void;
  settle(outcome: Batched<Output> | MedformerError): void;
}

class Bucket<Item, Output> {
  /** Sets keep the order in which images came and let a cancelled one go at once. */
  readonly levels: Record<Level, Set<Waiting<Item, Output>>> = {
    0: new Set(),
    1: new Set(),
    2: new Set(),
  };

  constructor(readonly key: string) {}

  get size(): number {
    return LEVELS.reduce<number>((sum, level) => sum + this.levels[level].size, 0);
  }

  /** When the image that waits longest came, of whatever level. */
  get oldest(): number {
    return Math.min(...LEVELS.map((level) => firstOf(this.levels[level])?.since ?? Number.POSITIVE_INFINITY));
  }

  countBefore(level: Level): number {
    return LEVELS.filter((each) => each <= level).reduce<number>(
      (sum, each) => sum + this.levels[each].size,
      0,
    );
  }

  goesBefore(other: Bucket<Item, Output>): boolean {
    const [mine, its] = [this.urgent, other.urgent];
    return mine.level === its.level ? mine.since < its.since : mine.level < its.level;
  }

  private get urgent(): { level: number; since: number } {
    for (const level of LEVELS) {
      const first = firstOf(this.levels[level]);
      if (first) return { level, since: first.since };
    }
    return { level: LEVELS.length, since: Number.POSITIVE_INFINITY };
  }
}

const firstOf = <Value>(values: Set<Value>): Value | undefined => values.values().next().value;

const kindOf = (bucket: string, size: number): string => `${bucket}/${size}`;
