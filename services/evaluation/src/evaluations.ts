import { setTimeout as sleep } from 'node:timers/promises';
import { type ComputeProcess, progressEvents } from '@medformer/compute';
import { resolveDataset } from '@medformer/dataset';
import type { ObjectStore } from '@medformer/object-store';
import { LOGGER, OBJECT_STORE } from '@medformer/rpc';
import { badInput, EvaluationSpec, MedformerError, parseRecord, toMedformerError } from '@medformer/schema';
import type { Logger } from '@medformer/telemetry';
import { Inject, Injectable } from '@nestjs/common';
import PQueue from 'p-queue';
import type { EvaluationCalls, EvaluationProgress } from './evaluation-calls.js';
import { countCancelled, countEvaluation, countFound, showJobs, showScores } from './evaluation-metrics.js';
import { isAbandoned, SELF, TELL_EVERY_MS } from './evaluation-owner.js';
import {
  type Asked,
  askToCancel,
  evaluationId,
  forgetCancel,
  getAsked,
  getTold,
  isAskedToCancel,
  listEvaluationIds,
  putAsked,
  putTold,
} from './evaluation-record.js';
import { EVALUATION_PROCESS, EVALUATION_SETTINGS, type EvaluationSettings } from './evaluation-settings.js';
import { type EvaluationView, hasEnded, LiveEvaluation } from './live-evaluation.js';
import { findReport, getReport, type StoredReport } from './report-store.js';

export type EvaluationPart = { event: EvaluationProgress } | { output: StoredReport };

/** How often the store is asked for an evaluation that another process has, ms. */
const POLL_MS = 1000;
/** Evaluations whose records are read at once for a list. */
const READ_AT_ONCE = 16;

/**
 * Evaluations, computed once each: an equal one is joined while it is under way and found when it is done. What was asked for
 * and how far it is stands in the object store. One whose service died is interrupted and goes on when it is asked for again,
 * not by itself: what killed the service would kill it after every start.
 */
@Injectable()
export class Evaluations {
  private readonly live = new Map<string, LiveEvaluation>();
  private readonly written = new Map<string, Promise<void>>();
  private readonly queue: PQueue;
  private readonly telling: NodeJS.Timeout;

  constructor(
    @Inject(OBJECT_STORE) private readonly store: ObjectStore,
    @Inject(EVALUATION_SETTINGS) private readonly settings: EvaluationSettings,
    @Inject(EVALUATION_PROCESS) private readonly process: ComputeProcess<EvaluationCalls>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.queue = new PQueue({ concurrency: settings.atOnce });
    this.telling = setInterval(() => this.tellAll(), TELL_EVERY_MS).unref();
  }

  /** The spec may name data sets; in the record they are addresses, so that equal requests are equal bytes. */
  async *evaluate(
    asked: Record<string, unknown> | undefined,
    signal: AbortSignal,
  ): AsyncIterable<EvaluationPart> {
    const wanted = await this.askedFor(asked);
    for (;;) {
      const opened = await this.open(wanted);
      if (opened instanceof LiveEvaluation) return yield* this.followed(opened, signal);
      if (opened.report !== undefined) return yield { output: await getReport(this.store, opened.report) };
      for await (const { progress } of this.polled(opened, signal)) if (progress) yield { event: progress };
    }
  }

  /** @throws MedformerError RESOURCE_EXHAUSTED when as many wait as may */
  async start(asked: Record<string, unknown> | undefined): Promise<EvaluationView> {
    const opened = await this.open(await this.askedFor(asked));
    if (!(opened instanceof LiveEvaluation)) return opened;
    opened.detached = true;
    return opened.view;
  }

  /** @throws MedformerError NOT_FOUND */
  async get(id: string): Promise<EvaluationView> {
    return this.live.get(id)?.view ?? this.stored(id, await getAsked(this.store, id));
  }

  async *watch(id: string, signal: AbortSignal): AsyncIterable<EvaluationView> {
    const live = this.live.get(id);
    if (live) yield* live.watch(signal);
    else yield* this.polled(await this.get(id), signal);
  }

  /** The newest, newest first. */
  async list(limit: number): Promise<EvaluationView[]> {
    const reading = new PQueue({ concurrency: READ_AT_ONCE });
    const ids = await listEvaluationIds(this.store, limit);
    return reading.addAll(ids.map((id) => () => this.get(id)));
  }

  async cancel(id: string): Promise<EvaluationView> {
    const live = this.live.get(id);
    if (live) {
      await this.stopOne(live, cancelled());
      return live.view;
    }
    const view = await this.get(id);
    if (view.state === 'interrupted')
      await putTold(this.store, id, { state: 'cancelled', owner: SELF, updatedAt: now() });
    else if (hasEnded(view)) return view;
    else await askToCancel(this.store, id);
    return this.get(id);
  }

  /** Leaves what is under way interrupted. */
  async stop(): Promise<void> {
    clearInterval(this.telling);
    const leaving = new MedformerError('UNAVAILABLE', 'the service is shutting down');
    await Promise.all([...this.live.values()].map((live) => this.stopOne(live, leaving, 'interrupted')));
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

  private async askedFor(asked: Record<string, unknown> | undefined): Promise<Asked> {
    const spec = parseRecord(EvaluationSpec, await this.withAddresses(asked, 'spec'), 'spec');
    const { codeVersion } = this.settings;
    return { kind: 'medformer.evaluation.v1', spec, codeVersion, requestedAt: now() };
  }

  /** The evaluation under way here, which begins where nobody computed it or does; else how it stands elsewhere. */
  private async open(wanted: Asked): Promise<LiveEvaluation | EvaluationView> {
    const id = evaluationId(wanted);
    const before = this.live.get(id);
    if (before && !before.ended) return before;
    // What ended here has its last word written before it begins again.
    if (before) await this.written.get(id);
    const stored = await this.stored(id, wanted);
    if (stored.state === 'succeeded') {
      await putAsked(this.store, id, wanted);
      countFound();
      showScores((await getReport(this.store, stored.report!)).report);
      return stored;
    }
    // Another call may have begun it meanwhile; from here to its place in the map nothing is awaited.
    const known = this.live.get(id);
    if (known && !known.ended) return known;
    if (!hasEnded(stored)) return stored;
    this.checkRoom();
    const live = new LiveEvaluation({ id, asked: wanted, state: 'queued' });
    this.live.set(id, live);
    try {
      await putAsked(this.store, id, wanted);
      await forgetCancel(this.store, id);
      await this.tell(live);
    } catch (thrown) {
      live.end('failed', thrown);
      this.live.delete(id);
      throw thrown;
    }
    void this.queue.add(() => this.compute(live));
    this.showState();
    return live;
  }

  private checkRoom(): void {
    const { mostWaiting } = this.settings;
    const waiting = this.count('queued');
    if (waiting < mostWaiting) return;
    throw new MedformerError('RESOURCE_EXHAUSTED', `${waiting} evaluations wait, at most ${mostWaiting} may`);
  }

  private async compute(live: LiveEvaluation): Promise<void> {
    if (live.ended) return;
    const { spec } = live.view.asked;
    const { store, codeVersion, threads } = this.settings;
    const input = { spec, store, codeVersion, ...(threads ? { threads } : {}) };
    const { signal } = live.stopping;
    live.begin();
    this.showState();
    await this.tell(live).catch(() => undefined);
    try {
      const onProgress = (progress: EvaluationProgress) => live.report(progress);
      const { report } = await countEvaluation(() =>
        this.process.call('evaluate', input, { signal, onProgress }),
      );
      showScores((await getReport(this.store, report)).report);
      await this.leave(live, () => live.succeed(report));
    } catch (thrown) {
      const { code, message } = toMedformerError(thrown);
      if (!live.ended) await this.leave(live, () => live.end('failed', thrown, { code, message }));
    }
  }

  /** Ends an evaluation before its end. Its place in the queue is free once the work has noticed. */
  private async stopOne(
    live: LiveEvaluation,
    reason: unknown,
    state: 'cancelled' | 'interrupted' = 'cancelled',
  ): Promise<void> {
    if (live.ended) return;
    if (live.view.state === 'queued') countCancelled();
    const left = this.leave(live, () => live.end(state, reason));
    live.stopping.abort(reason);
    await left;
  }

  private async leave(live: LiveEvaluation, end: () => void): Promise<void> {
    end();
    this.showState();
    await this.tell(live).catch(() => undefined);
    if (this.live.get(live.view.id) === live) this.live.delete(live.view.id);
  }

  private async *followed(live: LiveEvaluation, signal: AbortSignal): AsyncIterable<EvaluationPart> {
    live.wanted += 1;
    try {
      for await (const part of progressEvents<EvaluationProgress, string>((emit) =>
        live.follow(emit, signal),
      )) {
        if ('event' in part) yield part;
        else yield { output: await getReport(this.store, part.output) };
      }
    } finally {
      live.wanted -= 1;
      if (live.wanted === 0 && !live.detached)
        await this.stopOne(live, signal.reason ?? new MedformerError('CANCELLED', 'nobody waits for it'));
    }
  }

  /** Of an evaluation that another process has, or that ended. */
  private async *polled(first: EvaluationView, signal: AbortSignal): AsyncIterable<EvaluationView> {
    for (let view = first; ; view = await this.get(first.id)) {
      yield view;
      if (hasEnded(view)) return;
      await sleep(POLL_MS, undefined, { signal });
    }
  }

  private async stored(id: string, asked: Asked): Promise<EvaluationView> {
    // A report alone is success.
    const report = await findReport(this.store, asked);
    if (report !== undefined) return { id, asked, state: 'succeeded', report };
    const told = await getTold(this.store, id);
    if (!told) return { id, asked, state: 'interrupted' };
    const { progress, failure } = told;
    // A success whose report is gone is to be computed again.
    const gone = hasEnded(told) ? told.state === 'succeeded' : isAbandoned(told, this.live.has(id));
    return { id, asked, state: gone ? 'interrupted' : told.state, progress, failure };
  }

  /** Writes down how an evaluation stands, one word after the other. */
  private tell(live: LiveEvaluation): Promise<void> {
    const { id } = live.view;
    const before = this.written.get(id) ?? Promise.resolve();
    const told = before.then(() => {
      const { state, progress, failure } = live.view;
      return putTold(this.store, id, {
        ...{ state, owner: SELF, updatedAt: now() },
        ...(progress ? { progress } : {}),
        ...(failure ? { failure } : {}),
      });
    });
    const done = told.catch((err) => {
      this.logger.warn({ err, evaluation: id }, 'cannot write down how an evaluation stands');
    });
    this.written.set(id, done);
    void done.then(() => {
      if (this.written.get(id) === done) this.written.delete(id);
    });
    return told;
  }

  /** Says that evaluations under way live, and stops those that another process was asked to cancel. */
  private tellAll(): void {
    for (const live of this.live.values()) {
      if (live.ended) continue;
      this.tell(live).catch(() => undefined);
      this.stopIfAsked(live).catch(() => undefined);
    }
  }

  private async stopIfAsked(live: LiveEvaluation): Promise<void> {
    if (await isAskedToCancel(this.store, live.view.id)) await this.stopOne(live, cancelled());
  }

  private showState(): void {
    showJobs({ queued: this.count('queued'), running: this.count('running') });
  }

  private count(state: EvaluationView['state']): number {
    return [...this.live.values()].filter(({ view }) => view.state === state).length;
  }
}

const now = () => new Date().toISOString();
const cancelled = () => new MedformerError('CANCELLED', 'the evaluation was cancelled');
