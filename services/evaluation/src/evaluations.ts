import { type ComputeProcess, progressEvents } from '@medformer/compute';
import { resolveDataset } from '@medformer/dataset';
import type { ObjectStore } from '@medformer/object-store';
import { OBJECT_STORE } from '@medformer/rpc';
import { badInput, EvaluationSpec, parseRecord } from '@medformer/schema';
import { Inject, Injectable } from '@nestjs/common';
import type { EvaluationCalls, EvaluationProgress } from './evaluation-calls.js';
import { countEvaluation, countFound, showScores } from './evaluation-metrics.js';
import { EVALUATION_PROCESS, EVALUATION_SETTINGS, type EvaluationSettings } from './evaluation-settings.js';
import { findReport, getReport, type StoredReport } from './report-store.js';

export type EvaluationPart = { event: EvaluationProgress } | { output: StoredReport };

/** Evaluations, computed once each: an equal one is found. */
@Injectable()
export class Evaluations {
  constructor(
    @Inject(OBJECT_STORE) private readonly store: ObjectStore,
    @Inject(EVALUATION_SETTINGS) private readonly settings: EvaluationSettings,
    @Inject(EVALUATION_PROCESS) private readonly process: ComputeProcess<EvaluationCalls>,
  ) {}

  /** The spec may name data sets; in the record they are addresses, so that equal requests are equal bytes. */
  async *evaluate(
    asked: Record<string, unknown> | undefined,
    signal: AbortSignal,
  ): AsyncIterable<EvaluationPart> {
    const spec = parseRecord(EvaluationSpec, await this.withAddresses(asked, 'spec'), 'spec');
    const known = await findReport(this.store, spec, this.settings.codeVersion);
    if (known) {
      countFound();
      showScores(known.report);
      return yield { output: known };
    }
    const work = progressEvents<EvaluationProgress, { report: string }>((emit) =>
      countEvaluation(() =>
        this.process.call('evaluate', { spec, ...this.settings }, { signal, onProgress: emit }),
      ),
    );
    for await (const part of work) {
      if ('event' in part) yield part;
      else {
        const stored = await getReport(this.store, part.output.report);
        showScores(stored.report);
        yield { output: stored };
      }
    }
  }

  /** The same request with the addresses of the data sets that it names. */
  async withAddresses(
    asked: Record<string, unknown> | undefined,
    field: string,
  ): Promise<Record<string, unknown>> {
    if (typeof asked?.dataset !== 'string') {
      throw badInput({
        file: 'request',
        field: `${field}.dataset`,
        expected: 'a name or address',
        found: typeof asked?.dataset,
      });
    }
    const resolved: Record<string, string> = {};
    for (const name of ['dataset', 'trainDataset'] as const) {
      const reference = asked[name];
      if (typeof reference === 'string') resolved[name] = (await resolveDataset(this.store, reference)).hash;
    }
    return { ...asked, ...resolved };
  }
}
