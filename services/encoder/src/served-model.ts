import { type ComputeProcess, startComputeProcess } from '@medformer/compute';
import { nearestShape } from '@medformer/medformer/nearest-shape';
import { MedformerError, toMedformerError } from '@medformer/schema';
import type { Logger } from '@medformer/telemetry';
import {
  type Batched,
  type BatcherOptions,
  DynamicBatcher,
  type Level,
  type SubmitOptions,
} from './batching/dynamic-batcher.js';
import { countBatch } from './encoder-metrics.js';
import type {
  Attention,
  CodedImage,
  EncodedBatch,
  Encoding,
  EncodingCalls,
  ModelDescription,
  ModelSource,
} from './encoding-calls.js';

/** One image's answer and the times of its batch. */
export type ServedEncoding = Extract<Encoding, { embedding: Float32Array }> &
  Pick<EncodedBatch, 'inputMs' | 'inferMs' | 'outputMs'>;

/**
 * One loaded checkpoint: its process and the queue before it. A process that died is started and loaded again by the next
 * batch; the images that it took with it are computed again, each alone.
 */
export class ServedModel {
  private readonly batcher: DynamicBatcher<CodedImage, ServedEncoding>;
  private readonly callsUnderWay = new Set<Promise<unknown>>();
  /** Images that are computed again, one after the other: one that kills its process takes no other with it twice. */
  private repeating: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly process: ComputeProcess<EncodingCalls>,
    private readonly source: ModelSource,
    readonly description: ModelDescription,
    options: BatcherOptions,
    private readonly logger: Logger,
  ) {
    this.batcher = new DynamicBatcher(options, (images, size) => this.compute(images, size));
  }

  /** Resolves when every size of batch and shape of image of the warm-up has been computed once. */
  static async load(source: ModelSource, options: BatcherOptions, logger: Logger): Promise<ServedModel> {
    const process = startComputeProcess<EncodingCalls>(
      new URL('../dist/encoding-process.js', import.meta.url),
      // Its work is the service's: behind callers and transport it would get what they leave of a busy machine.
      { name: 'encoding process', niceness: 0 },
    );
    try {
      const description = await process.call('load', source);
      return new ServedModel(process, source, description, options, logger);
    } catch (thrown) {
      await process.stop();
      throw thrown;
    }
  }

  /** The model stays for as long as the use of it is under way. */
  async use<T>(work: () => Promise<T>): Promise<T> {
    const call = work();
    this.callsUnderWay.add(call);
    try {
      return await call;
    } finally {
      this.callsUnderWay.delete(call);
    }
  }

  /** @throws what `DynamicBatcher.submit` throws, or what is wrong with the image */
  encode(image: CodedImage, options: Omit<SubmitOptions, 'bucket'>): Promise<Batched<ServedEncoding>> {
    return this.batcher.submit(image, { ...options, bucket: this.computedShape(image).join('x') });
  }

  displace(level: Level): boolean {
    return this.batcher.displace(level);
  }

  async attend(image: CodedImage, layers: string[], signal: AbortSignal): Promise<Attention> {
    const ask = () => this.process.call('attend', { model: this.source, image, layers }, { signal });
    try {
      return await ask();
    } catch (thrown) {
      if (!isLost(thrown) || signal.aborted) throw thrown;
      return this.again(thrown, ask);
    }
  }

  /** Ends the process once every use has ended. */
  async retire(): Promise<void> {
    while (this.callsUnderWay.size > 0) await Promise.allSettled(this.callsUnderWay);
    await this.stop();
    this.logger.info({ checkpoint: this.description.checkpoint }, 'model retired');
  }

  async stop(): Promise<void> {
    await this.process.stop();
  }

  private async compute(images: CodedImage[], size: number): Promise<(ServedEncoding | MedformerError)[]> {
    countBatch(images.length);
    try {
      return servedEncodings(await this.encodeBatch(images, size));
    } catch (thrown) {
      if (!isLost(thrown)) throw thrown;
      const alone = images.map((image) => this.again(thrown, () => this.encodeBatch([image], 1)));
      return Promise.all(
        alone.map((answer) => answer.then((encoded) => servedEncodings(encoded)[0]!, toMedformerError)),
      );
    }
  }

  private encodeBatch(images: CodedImage[], size: number): Promise<EncodedBatch> {
    const shape = this.computedShape(images[0]!);
    return this.process.call('encode', { model: this.source, batch: { images, shape, size } });
  }

  /** Images of any size go together once they are resampled: to what training saw, else as they are. */
  private computedShape({ shape }: CodedImage): number[] {
    const spatial = shape.slice(0, -1);
    return [...(nearestShape(spatial, this.description.shapes) ?? spatial), shape.at(-1)!];
  }

  private again<T>(lost: unknown, ask: () => Promise<T>): Promise<T> {
    const { checkpoint } = this.source;
    this.logger.warn({ checkpoint, err: lost }, 'encoding process lost, computing again');
    const again = this.repeating.then(ask);
    this.repeating = again.catch(() => undefined);
    return again;
  }
}

function servedEncodings({ encodings, ...times }: EncodedBatch): (ServedEncoding | MedformerError)[] {
  return encodings.map((encoding) =>
    'failure' in encoding
      ? new MedformerError(encoding.failure.code, encoding.failure.message)
      : { ...encoding, ...times },
  );
}

const isLost = (thrown: unknown): boolean => toMedformerError(thrown).code === 'UNAVAILABLE';
