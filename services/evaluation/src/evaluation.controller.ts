import { type ComputeProcess, progressEvents } from '@medformer/compute';
import { resolveDataset } from '@medformer/dataset';
import { DataType } from '@medformer/gen/common';
import {
  type EvaluateRequest,
  type EvaluateResponse,
  EvaluationServiceService,
  type GetReportRequest,
  type GetReportResponse,
  type ListReportsRequest,
  type ListReportsResponse,
  type RenderReportRequest,
  type RenderReportResponse,
} from '@medformer/gen/evaluation';
import type { ObjectStore } from '@medformer/object-store';
import { type CallContext, OBJECT_STORE, RpcController } from '@medformer/rpc';
import { badInput, EvaluationSpec, parseRecord } from '@medformer/schema';
import { Controller, Inject } from '@nestjs/common';
import type { EvaluationCalls, EvaluationProgress } from './evaluation-calls.js';
import { EVALUATION_PROCESS, EVALUATION_SETTINGS, type EvaluationSettings } from './evaluation-settings.js';
import { findReport, getReport, listReports, type StoredReport } from './report-store.js';
import type { PictureTensor, SampleTensors } from './sample-pictures.js';

const CHUNK_BYTES = 256 * 1024;

@RpcController(EvaluationServiceService)
@Controller()
export class EvaluationController {
  constructor(
    @Inject(OBJECT_STORE) private readonly store: ObjectStore,
    @Inject(EVALUATION_SETTINGS) private readonly settings: EvaluationSettings,
    @Inject(EVALUATION_PROCESS) private readonly process: ComputeProcess<EvaluationCalls>,
  ) {}

  async *evaluate(request: EvaluateRequest, { signal }: CallContext): AsyncIterable<EvaluateResponse> {
    const spec = await this.specOf(request);
    const known = await findReport(this.store, spec, this.settings.codeVersion);
    if (known) return yield finished(known);
    const work = progressEvents<EvaluationProgress, { report: string }>((emit) =>
      this.process.call('evaluate', { spec, ...this.settings }, { signal, onProgress: emit }),
    );
    for await (const part of work) {
      if ('event' in part) yield { event: { $case: 'progress', value: part.event } };
      else yield finished(await getReport(this.store, part.output.report));
    }
  }

  async getReport({ report }: GetReportRequest): Promise<GetReportResponse> {
    return { record: (await getReport(this.store, report)).report };
  }

  async listReports(_: ListReportsRequest): Promise<ListReportsResponse> {
    const reports = await listReports(this.store);
    return {
      reports: reports.map(({ hash, report }) => ({
        report: hash,
        title: report.spec.title,
        datasetName: report.datasetName,
      })),
    };
  }

  async *renderReport(
    { report, samples }: RenderReportRequest,
    { signal }: CallContext,
  ): AsyncIterable<RenderReportResponse> {
    const input = { store: this.settings.store, report, samples: sampleTensors(samples) };
    const { html } = await this.process.call('render', input, { signal });
    const bytes = Buffer.from(html);
    for (let begin = 0; begin < bytes.length; begin += CHUNK_BYTES) {
      yield { htmlChunk: bytes.subarray(begin, begin + CHUNK_BYTES) };
    }
  }

  /** The caller may name the data set; the record names it by its address, so that equal requests are equal bytes. */
  private async specOf({ spec }: EvaluateRequest): Promise<EvaluationSpec> {
    if (typeof spec?.dataset !== 'string') {
      throw badInput({
        file: 'request',
        field: 'spec.dataset',
        expected: 'a name or address',
        found: typeof spec?.dataset,
      });
    }
    const { hash } = await resolveDataset(this.store, spec.dataset);
    return parseRecord(EvaluationSpec, { ...spec, dataset: hash }, 'spec');
  }
}

function finished({ hash, report }: StoredReport): EvaluateResponse {
  return { event: { $case: 'finished', value: { report: hash, record: report } } };
}

const PICTURE_TYPES: Partial<Record<DataType, PictureTensor['type']>> = {
  [DataType.DATA_TYPE_UINT8]: 'uint8',
  [DataType.DATA_TYPE_UINT16]: 'uint16',
  [DataType.DATA_TYPE_FLOAT32]: 'float32',
};

function sampleTensors(samples: RenderReportRequest['samples']): SampleTensors[] {
  return samples.map(({ caption, images }, sample) => ({
    caption,
    images: images.map(({ dataType, shape, data }, index) => {
      const type = PICTURE_TYPES[dataType];
      if (type) return { type, shape, data };
      throw badInput({
        file: 'request',
        field: `samples.${sample}.images.${index}.data_type`,
        expected: 'uint8, uint16 or float32',
        found: DataType[dataType] ?? String(dataType),
      });
    }),
  }));
}
