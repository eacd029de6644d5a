import { lastFailedStep } from '@medformer/checkpoint';
import { judgeLeakage, knownLeakage, resolveDataset } from '@medformer/dataset';
import {
  type CancelRunRequest,
  type CancelRunResponse,
  type ExportCheckpointRequest,
  type ExportCheckpointResponse,
  type GetCapacityRequest,
  type GetCapacityResponse,
  type GetRunRequest,
  type GetRunResponse,
  type ListRunsRequest,
  type ListRunsResponse,
  type ReplayFailedStepRequest,
  type ReplayFailedStepResponse,
  type ResumeRunRequest,
  type ResumeRunResponse,
  type StartRunRequest,
  type StartRunResponse,
  type StreamRunLogsRequest,
  type StreamRunLogsResponse,
  type SuspendRunRequest,
  type SuspendRunResponse,
  TrainerServiceService,
  type WatchRunRequest,
  type WatchRunResponse,
} from '@medformer/gen/trainer';
import type { ObjectStore } from '@medformer/object-store';
import { type CallContext, OBJECT_STORE, RpcController } from '@medformer/rpc';
import { badInput, ContentHash, parseRecord, RunSpec } from '@medformer/schema';
import { codeVersion, dataReportVersion } from '@medformer/telemetry';
import { Controller, Inject } from '@nestjs/common';
import { CheckpointExports } from './checkpoint-exports.js';
import { exportRequest } from './export-request.js';
import { labelSpacesOf, monitoredSpaceOf } from './label-space.js';
import { replayResponse } from './replay-response.js';
import { StepReplays } from './step-replays.js';
import { manifestsOf } from './training-data.js';
import { TrainingRuns } from './training-runs.js';

@RpcController(TrainerServiceService)
@Controller()
export class TrainerController {
  constructor(
    @Inject(OBJECT_STORE) private readonly store: ObjectStore,
    @Inject(TrainingRuns) private readonly runs: TrainingRuns,
    @Inject(CheckpointExports) private readonly exports: CheckpointExports,
    @Inject(StepReplays) private readonly replays: StepReplays,
  ) {}

  async startRun({ spec }: StartRunRequest): Promise<StartRunResponse> {
    if (typeof spec?.dataset !== 'string') {
      throw badInput({
        file: 'request',
        field: 'spec.dataset',
        expected: 'a name or address',
        found: typeof spec?.dataset,
      });
    }
    // The caller may name the data sets; the record names them by their addresses.
    const { hash } = await resolveDataset(this.store, spec.dataset);
    const record = parseRecord(
      RunSpec,
      { ...spec, dataset: hash, ...(await this.furtherOf(spec)), codeVersion: codeVersion() },
      'spec',
    );
    const manifests = await manifestsOf(this.store, record);
    labelSpacesOf(record, manifests);
    monitoredSpaceOf(record, manifests);
    // What is not known yet, the run finds before its first step.
    const datasets = [record.dataset, ...(record.datasets ?? [])];
    judgeLeakage(await knownLeakage(this.store, datasets, dataReportVersion()), record.leakage);
    return { run: await this.runs.start(record) };
  }

  async *watchRun({ run: id }: WatchRunRequest, { signal }: CallContext): AsyncIterable<WatchRunResponse> {
    yield* this.runs.watch(id, signal);
  }

  async cancelRun({ run }: CancelRunRequest): Promise<CancelRunResponse> {
    return { run: await this.runs.cancel(run) };
  }

  async suspendRun({ run }: SuspendRunRequest): Promise<SuspendRunResponse> {
    return { run: await this.runs.suspend(run) };
  }

  async resumeRun({ run }: ResumeRunRequest): Promise<ResumeRunResponse> {
    return { run: await this.runs.resume(run) };
  }

  async *streamRunLogs(
    { run, ...options }: StreamRunLogsRequest,
    { signal }: CallContext,
  ): AsyncIterable<StreamRunLogsResponse> {
    for await (const text of this.runs.logs(run, options, signal)) yield { text };
  }

  async getRun({ run: id }: GetRunRequest): Promise<GetRunResponse> {
    const known = await this.runs.get(id);
    const { run, spec } = known;
    const [result, health, checkpoints, loaded] = await Promise.all([
      this.runs.result(run),
      this.runs.health(known),
      this.runs.checkpoints(run, spec),
      this.runs.loaded(id),
    ]);
    return { run, spec, result, health, checkpoints, loaded, progress: this.runs.progress(known) };
  }

  async listRuns(_: ListRunsRequest): Promise<ListRunsResponse> {
    return { runs: await this.runs.list() };
  }

  async getCapacity(_: GetCapacityRequest): Promise<GetCapacityResponse> {
    return { runsAtOnce: this.runs.atOnce };
  }

  async replayFailedStep(
    { run, failedStep }: ReplayFailedStepRequest,
    { signal }: CallContext,
  ): Promise<ReplayFailedStepResponse> {
    const { spec } = await this.runs.get(run);
    const address = failedStep || (await lastFailedStep(this.store, run));
    return replayResponse(address, await this.replays.replay(spec, address, signal));
  }

  async *exportCheckpoint(
    request: ExportCheckpointRequest,
    { signal }: CallContext,
  ): AsyncIterable<ExportCheckpointResponse> {
    const wanted = exportRequest(request);
    const checkpoint = await this.checkpointOf(request);
    for await (const part of this.exports.export(checkpoint, wanted, signal)) {
      if ('chunk' in part) yield { event: { $case: 'chunk', value: Buffer.from(part.chunk) } };
      else {
        const files = part.files.map((file) => ({ ...file, bytes: BigInt(file.bytes) }));
        yield { event: { $case: 'manifest', value: { checkpoint, files } } };
      }
    }
  }

  private async furtherOf({ datasets }: Record<string, unknown>): Promise<{ datasets?: unknown }> {
    if (datasets === undefined || datasets === null) return {};
    if (!Array.isArray(datasets)) return { datasets };
    const resolved = datasets.map(async (named: unknown) =>
      typeof named === 'string' ? (await resolveDataset(this.store, named)).hash : named,
    );
    return { datasets: await Promise.all(resolved) };
  }

  private async checkpointOf({ source }: ExportCheckpointRequest): Promise<string> {
    if (source?.$case === 'run') {
      await this.runs.get(source.value);
      return this.exports.newestOf(source.value);
    }
    return parseRecord(ContentHash, source?.value ?? '', 'checkpoint');
  }
}
