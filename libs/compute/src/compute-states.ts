import type { Vitals } from './vitals.js';

/** Why a process ended that nobody stopped: by itself, killed for a cancelled call, killed before it was ready. */
export const LOSS_CAUSES = ['crashed', 'cancelled', 'not-ready'] as const;
export type LossCause = (typeof LOSS_CAUSES)[number];

export interface ComputeState {
  /** e.g. `training process`; several may share one. */
  readonly name: string;
  /** Of the child that runs now. */
  readonly pid: number | undefined;
  /** Calls under way. */
  readonly calls: number;
  /** Undefined until it has told. */
  readonly vitals: Vitals | undefined;
}

export type Shown = ComputeState;

/** The processes of this parent, from start to stop. */
export const shown = new Set<Shown>();

const losses = new Map<string, Record<LossCause, number>>();

/** Every compute process of this parent that is not stopped. */
export function computeStates(): readonly ComputeState[] {
  return [...shown];
}

/** Losses so far by the process's name; of every name that was ever started. */
export function computeLosses(): ReadonlyMap<string, Readonly<Record<LossCause, number>>> {
  for (const { name } of shown) of(name);
  return losses;
}

export function countLoss(name: string, cause: LossCause): void {
  of(name)[cause] += 1;
}

function of(name: string): Record<LossCause, number> {
  const counted = losses.get(name) ?? { crashed: 0, cancelled: 0, 'not-ready': 0 };
  losses.set(name, counted);
  return counted;
}
