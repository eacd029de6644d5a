import { setTimeout as sleep } from 'node:timers/promises';
import type { WatchRunResponse } from '@medformer/gen/trainer';
import { type LoadReport, MedformerError } from '@medformer/schema';
import { LiveRun } from './live-run.js';
import type { RunView } from './run-view.js';

export interface FollowedSource {
  view(run: string): Promise<RunView>;
  loaded(run: string): Promise<LoadReport | undefined>;
  /** Resolves early, when there is something new to see. */
  changed(run: string, signal: AbortSignal): Promise<void>;
}

interface Followed {
  live: LiveRun;
  watchers: number;
  stop: AbortController;
}

/** How often the store is asked for a run that somebody watches, however many do. */
const PERIOD_MS = 1000;

/** Watches runs that train in other processes, by what they tell the object store. */
export class RunFollower {
  private readonly followed = new Map<string, Followed>();

  constructor(private readonly source: FollowedSource) {}

  async *watch(id: string, signal: AbortSignal): AsyncGenerator<WatchRunResponse> {
    const followed = await this.join(id);
    try {
      yield* followed.live.watch(AbortSignal.any([signal, followed.stop.signal]));
    } catch (thrown) {
      throw followed.stop.signal.aborted ? followed.stop.signal.reason : thrown;
    } finally {
      followed.watchers -= 1;
      if (followed.watchers === 0)
        this.leave(id, followed, new MedformerError('CANCELLED', 'nobody watches'));
    }
  }

  /** Counts the watcher in, so that nobody who leaves ends it meanwhile. */
  private async join(id: string): Promise<Followed> {
    const view = await this.source.view(id);
    const known = this.followed.get(id);
    if (known && !known.live.ended) {
      known.watchers += 1;
      return known;
    }
    const followed = { live: new LiveRun(view.run), watchers: 1, stop: new AbortController() };
    followed.live.tell(view);
    this.followed.set(id, followed);
    void this.poll(id, followed).catch((thrown) => this.leave(id, followed, thrown));
    return followed;
  }

  private async poll(id: string, { live, stop }: Followed): Promise<void> {
    let loaded: LoadReport | undefined;
    while (!live.ended && !stop.signal.aborted) {
      const pause = new AbortController();
      const either = AbortSignal.any([stop.signal, pause.signal]);
      await Promise.race([
        sleep(PERIOD_MS, undefined, { signal: either }).catch(() => undefined),
        this.source.changed(id, either),
      ]);
      pause.abort();
      if (stop.signal.aborted) return;
      try {
        if (!loaded) {
          loaded = await this.source.loaded(id);
          if (loaded) live.load(loaded);
        }
        live.tell(await this.source.view(id));
      } catch (thrown) {
        // A store that does not answer for a while ends no watch.
        if (!(thrown instanceof MedformerError && thrown.code === 'UNAVAILABLE')) throw thrown;
      }
    }
  }

  private leave(id: string, followed: Followed, reason: unknown): void {
    followed.stop.abort(reason);
    if (this.followed.get(id) === followed) this.followed.delete(id);
  }
}
