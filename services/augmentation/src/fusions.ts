import { generatorRunId, listGenerators, loadGenerator } from '@medformer/checkpoint';
import { type ComputeProcess, progressEvents, startComputeProcess } from '@medformer/compute';
import { resolveDataset } from '@medformer/dataset';
import type { ObjectStore, ObjectStoreConfig } from '@medformer/object-store';
import { badInput, FusionQualitySpec, FusionSpec, GeneratorSpec, parseRecord, Slug } from '@medformer/schema';
import { countFusing, countGeneratorStep } from './augmentation-metrics.js';
import type {
  FuseProgress,
  FusionCalls,
  GeneratorCalls,
  GeneratorProgress,
  MadeFusion,
  MeasureProgress,
} from './fusion-calls.js';

interface Settings {
  store: ObjectStoreConfig;
  codeVersion: string;
  threads?: number;
}

/** What a call asks for, as it came. */
interface Asked {
  dataset: string;
  spec: Record<string, unknown> | undefined;
}

/** Fusions and generators, computed in processes of their own. */
export class Fusions {
  private readonly process: ComputeProcess<FusionCalls> = startComputeProcess(
    new URL('../dist/fusion-process.js', import.meta.url),
    { name: 'fusion process' },
  );
  private readonly generators: ComputeProcess<GeneratorCalls> = startComputeProcess(
    new URL('../dist/generator-process.js', import.meta.url),
    { name: 'generator process', gracePeriodMs: 15_000 },
  );
  /** Trainings under way, by id: an equal one waits, and then finds its result. */
  private readonly training = new Map<string, Promise<unknown>>();

  constructor(
    private readonly store: ObjectStore,
    private readonly settings: Settings,
  ) {}

  /** Fusions `first` to `first + count - 1`, or one of the images named. */
  async fuse(
    { dataset, spec }: Asked,
    part: { first: number; count: number; imageIds: string[]; withSources: boolean },
    signal: AbortSignal,
  ): Promise<MadeFusion[]> {
    return countFusing(async (made) => {
      const request = await this.request(dataset, spec);
      const fusions = await this.process.call('fuse', { ...request, ...part }, { signal });
      made(fusions.length);
      return fusions;
    });
  }

  async *fuseDataset(
    { dataset, spec, name, count }: Asked & { name: string; count: number },
    signal: AbortSignal,
  ): AsyncIterable<{ event: FuseProgress } | { output: FusionCalls['fuseDataset']['output'] }> {
    const request = await this.request(dataset, spec);
    const input = {
      ...request,
      name: parseRecord(Slug, name, 'request: name'),
      count,
      codeVersion: this.settings.codeVersion,
    };
    yield* progressEvents<FuseProgress, FusionCalls['fuseDataset']['output']>((emit) =>
      countFusing((made) => {
        let before = 0;
        const onProgress = (progress: FuseProgress) => {
          made(progress.fusions - before);
          before = progress.fusions;
          emit(progress);
        };
        return this.process.call('fuseDataset', input, { signal, onProgress });
      }),
    );
  }

  /** The output is the address of the record. */
  async *measureFusions(
    { dataset, spec, ...rest }: Asked & { count: number; checkpoint: string; dimensions: number },
    signal: AbortSignal,
  ): AsyncIterable<{ event: MeasureProgress } | { output: FusionCalls['measureFusions']['output'] }> {
    const { hash } = await resolveDataset(this.store, dataset);
    const given = Object.entries(rest).filter(([, value]) => value !== 0 && value !== '');
    const asked = { dataset: hash, fusion: spec ?? {}, ...Object.fromEntries(given) };
    const input = { ...this.settings, spec: parseRecord(FusionQualitySpec, asked, 'request') };
    yield* progressEvents<MeasureProgress, FusionCalls['measureFusions']['output']>((emit) =>
      this.process.call('measureFusions', input, { signal, onProgress: emit }),
    );
  }

  async *trainGenerator(
    { dataset, spec }: Asked,
    signal: AbortSignal,
  ): AsyncIterable<{ event: GeneratorProgress } | { output: { generator: string } }> {
    const { hash } = await resolveDataset(this.store, dataset);
    const { codeVersion } = this.settings;
    const input = {
      ...this.settings,
      dataset: hash,
      spec: parseRecord(GeneratorSpec, spec ?? {}, 'spec'),
      codeVersion,
    };
    const run = generatorRunId(input);
    await this.training.get(run)?.catch(() => undefined);
    signal.throwIfAborted();
    let done = () => {};
    const under = new Promise<void>((resolve) => {
      done = resolve;
    });
    this.training.set(run, under);
    try {
      yield* progressEvents<GeneratorProgress, { generator: string }>((emit) => {
        const onProgress = (progress: GeneratorProgress) => {
          countGeneratorStep(progress);
          emit(progress);
        };
        return this.generators.call('trainGenerator', input, { signal, onProgress });
      });
    } finally {
      done();
      if (this.training.get(run) === under) this.training.delete(run);
    }
  }

  /** Every stored generator, by training, then by step. */
  async listGenerators() {
    const pointers = await listGenerators(this.store);
    return Promise.all(
      pointers.map(async ({ generator }) => ({
        generator,
        record: (await loadGenerator(this.store, generator)).record,
      })),
    );
  }

  async stop(): Promise<void> {
    await Promise.all([this.process.stop(), this.generators.stop()]);
  }

  private async request(dataset: string, spec: Record<string, unknown> | undefined) {
    const { store, threads } = this.settings;
    return {
      store,
      ...(threads ? { threads } : {}),
      dataset: (await resolveDataset(this.store, dataset)).hash,
      spec: parseRecord(FusionSpec, spec ?? {}, 'spec'),
    };
  }
}

/** @throws MedformerError INVALID_ARGUMENT beyond what JavaScript counts exactly */
export function countOf(field: string, value: bigint): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw badInput({ file: 'request', field, expected: 'at most 53 bits', found: String(value) });
}
