import { putPromotion, type StoredPromotion } from '@medformer/checkpoint';
import { judgePromotion } from '@medformer/evaluators';
import type { ObjectStore } from '@medformer/object-store';
import { OBJECT_STORE } from '@medformer/rpc';
import {
  badInput,
  ContentHash,
  GateSpec,
  MedformerError,
  type Promotion,
  parseRecord,
  type ScoreReport,
} from '@medformer/schema';
import { codeVersion } from '@medformer/telemetry';
import { Inject, Injectable } from '@nestjs/common';
import type { EvaluationProgress } from './evaluation-calls.js';
import { countPromotion } from './evaluation-metrics.js';
import { Evaluations } from './evaluations.js';
import type { StoredReport } from './report-store.js';

/** What asks to answer, and beside what it is scored. */
export interface PromotionRequest {
  gate: Record<string, unknown> | undefined;
  candidate: string;
  /** Empty where nothing is served. */
  served: string;
}

/** Decides which checkpoints may be served. */
@Injectable()
export class Promotions {
  constructor(
    @Inject(OBJECT_STORE) private readonly store: ObjectStore,
    @Inject(Evaluations) private readonly evaluations: Evaluations,
  ) {}

  /**
   * Scores the candidate, and what is served on the same images, and keeps what the gate decides.
   * @throws MedformerError as evaluations do; FAILED_PRECONDITION for a candidate that is served already
   */
  async *promote(
    { gate: asked, candidate, served }: PromotionRequest,
    signal: AbortSignal,
  ): AsyncIterable<{ event: EvaluationProgress } | { output: StoredPromotion }> {
    const resolved = await this.evaluations.withAddresses(asked, 'gate');
    const gate = parseRecord(GateSpec, resolved, 'gate');
    addressIn('candidate', candidate);
    if (served !== '') addressIn('served', served);
    if (served === candidate)
      throw new MedformerError('FAILED_PRECONDITION', 'the candidate is what is served already');
    for await (const part of this.evaluations.evaluate(evaluationOf(gate, candidate, served), signal)) {
      if ('event' in part) yield part;
      else yield { output: await this.decide(gate, candidate, served, part.output) };
    }
  }

  private async decide(
    gate: GateSpec,
    candidate: string,
    served: string,
    { hash, report }: StoredReport,
  ): Promise<StoredPromotion> {
    const promotion: Promotion = {
      kind: 'medformer.promotion.v1',
      gate,
      candidate,
      ...(served === '' ? {} : { served }),
      report: hash,
      ...judgePromotion(gate, ...rowsOf(report)),
      codeVersion: codeVersion(),
    };
    countPromotion(promotion.promoted);
    return putPromotion(this.store, promotion);
  }
}

function evaluationOf(
  { protocol, metric: _metric, minimum: _minimum, margin: _margin, ...scoring }: GateSpec,
  candidate: string,
  served: string,
): Record<string, unknown> {
  const entry = (label: string, checkpoint: string) => ({ label, protocol, checkpoints: [checkpoint] });
  return {
    title: 'Promotion',
    ...scoring,
    entries: [entry('candidate', candidate), ...(served === '' ? [] : [entry('served', served)])],
    ...(served === '' ? {} : { compare: [[0, 1]] }),
  };
}

function rowsOf({
  rows: [candidate, served],
  tests,
}: ScoreReport): [
  ScoreReport['rows'][number],
  { row: ScoreReport['rows'][number]; tests: ScoreReport['tests'] }?,
] {
  return served ? [candidate!, { row: served, tests }] : [candidate!];
}

function addressIn(field: string, value: string): void {
  if (ContentHash.safeParse(value).success) return;
  throw badInput({ file: 'request', field, expected: '64 lower-case hex digits', found: value.slice(0, 80) });
}
