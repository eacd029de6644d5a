import { listPromotions, type StoredPromotion } from '@medformer/checkpoint';
import { type ComputeProcess, progressEvents } from '@medformer/compute';
import { leakageText } from '@medformer/data-report';
import { getDataReport, resolveDataset } from '@medformer/dataset';
import { DataType } from '@medformer/gen/common';
import {
  type CancelEvaluationRequest,
  type CancelEvaluationResponse,
  type CompareScoresRequest,
  type CompareScoresResponse,
  type DecidedPromotion,
  type DescribeDatasetsRequest,
  type DescribeDatasetsResponse,
  type EvaluateRequest,
  type EvaluateResponse,
  EvaluationServiceService,
  type ExportScoresRequest,
  type ExportScoresResponse,
  ReportFormat as GenReportFormat,
  type GetEvaluationRequest,
  type GetEvaluationResponse,
  type GetReportRequest,
  type GetReportResponse,
  type ListEvaluationsRequest,
  type ListEvaluationsResponse,
  type ListPromotionsRequest,
  type ListPromotionsResponse,
  type ListReportsRequest,
  type ListReportsResponse,
  type PromoteCheckpointRequest,
  type PromoteCheckpointResponse,
  type ReadReportFileRequest,
  type ReadReportFileResponse,
  type RenderDataReportRequest,
  type RenderDataReportResponse,
  type RenderReportRequest,
  type RenderReportResponse,
  ScoresFormat,
  type StartEvaluationRequest,
  type StartEvaluationResponse,
  type WatchEvaluationRequest,
  type WatchEvaluationResponse,
} from '@medformer/gen/evaluation';
import type { ObjectStore } from '@medformer/object-store';
import { byteChunks, type CallContext, OBJECT_STORE, RpcController } from '@medformer/rpc';
import { badInput, DataReportSpec, parseRecord, type ScoreReport, type ScoreRow } from '@medformer/schema';
import { Controller, Inject } from '@nestjs/common';
import type { EvaluationCalls, EvaluationProgress } from './evaluation-calls.js';
import { evaluationOf, testOf } from './evaluation-messages.js';
import { EVALUATION_PROCESS, EVALUATION_SETTINGS, type EvaluationSettings } from './evaluation-settings.js';
import { Evaluations } from './evaluations.js';
import { medmnistFiles, safetensorsFiles } from './export-scores.js';
import { Promotions } from './promotions.js';
import { findReportFiles, type ReportFormat, readReportFile } from './report-files.js';
import { getReport, listReports, type StoredReport } from './report-store.js';
import type { PictureTensor, SampleTensors } from './sample-pictures.js';
import { csvFile, jsonFile } from './table-files.js';

/** Evaluations of a list whose caller names no number. */
const LISTED = 100;

const REPORT_FORMATS: Partial<Record<GenReportFormat, ReportFormat>> = {
  [GenReportFormat.REPORT_FORMAT_HTML]: 'html',
  [GenReportFormat.REPORT_FORMAT_JSON]: 'json',
  [GenReportFormat.REPORT_FORMAT_CSV]: 'csv',
};

@RpcController(EvaluationServiceService)
@Controller()
export class EvaluationController {
  constructor(
    @Inject(OBJECT_STORE) private readonly store: ObjectStore,
    @Inject(EVALUATION_SETTINGS) private readonly settings: EvaluationSettings,
    @Inject(EVALUATION_PROCESS) private readonly process: ComputeProcess<EvaluationCalls>,
    @Inject(Evaluations) private readonly evaluations: Evaluations,
    @Inject(Promotions) private readonly promotions: Promotions,
  ) {}

  async *evaluate(request: EvaluateRequest, { signal }: CallContext): AsyncIterable<EvaluateResponse> {
    for await (const part of this.evaluations.evaluate(request.spec, signal)) {
      if ('event' in part) yield { event: { $case: 'progress', value: part.event } };
      else yield finished(part.output);
    }
  }

  async startEvaluation({ spec }: StartEvaluationRequest): Promise<StartEvaluationResponse> {
    return { evaluation: evaluationOf(await this.evaluations.start(spec)) };
  }

  async *watchEvaluation(
    { evaluation }: WatchEvaluationRequest,
    { signal }: CallContext,
  ): AsyncIterable<WatchEvaluationResponse> {
    for await (const view of this.evaluations.watch(evaluation, signal))
      yield { evaluation: evaluationOf(view) };
  }

  async getEvaluation({ evaluation }: GetEvaluationRequest): Promise<GetEvaluationResponse> {
    const view = await this.evaluations.get(evaluation);
    return { evaluation: evaluationOf(view), spec: view.asked.spec };
  }

  async listEvaluations({ limit }: ListEvaluationsRequest): Promise<ListEvaluationsResponse> {
    const views = await this.evaluations.list(limit === 0 ? LISTED : limit);
    return { evaluations: views.map(evaluationOf) };
  }

  async cancelEvaluation({ evaluation }: CancelEvaluationRequest): Promise<CancelEvaluationResponse> {
    return { evaluation: evaluationOf(await this.evaluations.cancel(evaluation)) };
  }

  async *promoteCheckpoint(
    request: PromoteCheckpointRequest,
    { signal }: CallContext,
  ): AsyncIterable<PromoteCheckpointResponse> {
    for await (const part of this.promotions.promote(request, signal)) {
      if ('event' in part) yield { event: { $case: 'progress', value: part.event } };
      else yield { event: { $case: 'decided', value: decidedMessage(part.output) } };
    }
  }

  async listPromotions({ candidate }: ListPromotionsRequest): Promise<ListPromotionsResponse> {
    const stored = await listPromotions(this.store, candidate === '' ? undefined : candidate);
    return { promotions: stored.map(decidedMessage) };
  }

  async getReport({ report }: GetReportRequest): Promise<GetReportResponse> {
    return { record: (await getReport(this.store, report)).report };
  }

  async *readReportFile(
    { report, format }: ReadReportFileRequest,
    { signal }: CallContext,
  ): AsyncIterable<ReadReportFileResponse> {
    const wanted = REPORT_FORMATS[format];
    if (!wanted) {
      const found = GenReportFormat[format] ?? String(format);
      throw badInput({ file: 'request', field: 'format', expected: 'html, json or csv', found });
    }
    await getReport(this.store, report);
    const input = { store: this.settings.store, report };
    // Reports from before they had files get them now.
    const files =
      (await findReportFiles(this.store, report)) ??
      (await this.process.call('reportFiles', input, { signal }));
    const file = files[wanted];
    const bytes = await readReportFile(this.store, file);
    yield { part: { $case: 'file', value: { ...file, bytes: BigInt(file.bytes) } } };
    for (const chunk of byteChunks(bytes)) yield { part: { $case: 'chunk', value: chunk } };
  }

  async compareScores(
    { rows }: CompareScoresRequest,
    { signal }: CallContext,
  ): Promise<CompareScoresResponse> {
    const input = { store: this.settings.store, rows };
    const { tests, ...compared } = await this.process.call('compare', input, { signal });
    return { ...compared, tests: tests.map(testOf) };
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
    { report, samples, fusions }: RenderReportRequest,
    { signal }: CallContext,
  ): AsyncIterable<RenderReportResponse> {
    const input = {
      store: this.settings.store,
      report,
      samples: sampleTensors(samples, 'samples'),
      ...(fusions
        ? {
            fusions: {
              qualities: fusions.qualities,
              panels: sampleTensors(fusions.panels, 'fusions.panels'),
            },
          }
        : {}),
    };
    const { html } = await this.process.call('render', input, { signal });
    yield* htmlChunks(html);
  }

  async *describeDatasets(
    { spec }: DescribeDatasetsRequest,
    { signal }: CallContext,
  ): AsyncIterable<DescribeDatasetsResponse> {
    // The caller may name the data sets; in one order, so that equal requests are equal bytes.
    const named: unknown[] = Array.isArray(spec?.datasets) ? spec.datasets : [];
    const resolved = named.map(async (name) =>
      typeof name === 'string' ? (await resolveDataset(this.store, name)).hash : name,
    );
    const datasets = [...new Set(await Promise.all(resolved))].sort();
    const record = parseRecord(DataReportSpec, { ...spec, datasets }, 'spec');
    const { store, threads } = this.settings;
    const input = { store, spec: record, ...(threads ? { threads } : {}) };
    const work = progressEvents<EvaluationProgress, { report: string }>((emit) =>
      this.process.call('describe', input, { signal, onProgress: emit }),
    );
    for await (const part of work) {
      if ('event' in part) yield { event: { $case: 'progress', value: part.event } };
      else {
        const { hash, report } = await getDataReport(this.store, part.output.report);
        const value = { report: hash, record: report, leakage: leakageText(report) ?? '' };
        yield { event: { $case: 'finished', value } };
      }
    }
  }

  async *renderDataReport(
    { report }: RenderDataReportRequest,
    { signal }: CallContext,
  ): AsyncIterable<RenderDataReportResponse> {
    const input = { store: this.settings.store, report };
    const { html } = await this.process.call('renderDataReport', input, { signal });
    yield* htmlChunks(html);
  }

  async *exportScores({
    report: address,
    format,
    rows,
  }: ExportScoresRequest): AsyncIterable<ExportScoresResponse> {
    const { report } = await getReport(this.store, address);
    const chosen = chosenRows(report, rows);
    for await (const { name, bytes } of await this.scoresFiles(report, format, chosen)) {
      yield { part: { $case: 'fileName', value: name } };
      for (const chunk of byteChunks(bytes)) yield { part: { $case: 'chunk', value: chunk } };
    }
  }

  private async scoresFiles(report: ScoreReport, format: ScoresFormat, rows: [number, ScoreRow][]) {
    if (format === ScoresFormat.SCORES_FORMAT_SAFETENSORS) return safetensorsFiles(this.store, rows);
    if (format === ScoresFormat.SCORES_FORMAT_MEDMNIST) {
      const { manifest } = await resolveDataset(this.store, report.spec.dataset);
      return medmnistFiles(this.store, report, manifest, rows);
    }
    if (format === ScoresFormat.SCORES_FORMAT_CSV) return [csvFile(report, rows)];
    if (format === ScoresFormat.SCORES_FORMAT_JSON) return [jsonFile(report)];
    const expected = 'medmnist, safetensors, csv or json';
    throw badInput({
      file: 'request',
      field: 'format',
      expected,
      found: ScoresFormat[format] ?? String(format),
    });
  }
}

function* htmlChunks(html: string): Iterable<{ htmlChunk: Buffer }> {
  for (const htmlChunk of byteChunks(Buffer.from(html))) yield { htmlChunk };
}

function decidedMessage({ hash, promotion }: StoredPromotion): DecidedPromotion {
  return { promotion: hash, record: promotion };
}

function finished({ hash, report }: StoredReport): EvaluateResponse {
  return { event: { $case: 'finished', value: { report: hash, record: report } } };
}

function chosenRows({ rows }: ScoreReport, positions: number[]): [number, ScoreRow][] {
  const all = [...rows.entries()];
  const beyond = positions.find((at) => at >= rows.length);
  if (beyond === undefined) return positions.length === 0 ? all : positions.map((at) => all[at]!);
  const expected = `positions below ${rows.length}`;
  throw badInput({ file: 'request', field: 'rows', expected, found: String(beyond) });
}

const PICTURE_TYPES: Partial<Record<DataType, PictureTensor['type']>> = {
  [DataType.DATA_TYPE_UINT8]: 'uint8',
  [DataType.DATA_TYPE_UINT16]: 'uint16',
  [DataType.DATA_TYPE_FLOAT32]: 'float32',
};

function sampleTensors(samples: RenderReportRequest['samples'], path: string): SampleTensors[] {
  return samples.map(({ caption, images, names }, sample) => ({
    caption,
    ...(names.length > 0 ? { names } : {}),
    images: images.map(({ dataType, shape, data }, index) => {
      const type = PICTURE_TYPES[dataType];
      if (type) return { type, shape, data };
      throw badInput({
        file: 'request',
        field: `${path}.${sample}.images.${index}.data_type`,
        expected: 'uint8, uint16 or float32',
        found: DataType[dataType] ?? String(dataType),
      });
    }),
  }));
}
