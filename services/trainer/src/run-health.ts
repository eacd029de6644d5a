import type { RunHealth } from '@medformer/gen/trainer';
import { type CheckpointRecord, collapseIn, type ExpectedLoss, type RunProgress } from '@medformer/schema';
import type { StepReport } from '@medformer/ssl';

/** Above this a run says nothing new by warning. */
const KEPT_WARNINGS = 20;

/** Health of a run that is followed step by step, as its watchers see it. */
export class LiveHealth {
  /** Replaced at every change. */
  value: RunHealth | undefined;
  private expected: ExpectedLoss | undefined;

  /** As the object store keeps it. */
  get stored(): RunProgress['health'] {
    if (!this.value) return undefined;
    const { warnings, collapsed, collapsedStep } = this.value;
    const { expected } = this;
    return {
      ...(expected ? { expectedLoss: expected } : {}),
      warnings,
      collapsed,
      collapsedStep: Number(collapsedStep),
    };
  }

  after({ step, expectedLoss, collapsed }: StepReport): void {
    const known = this.known;
    this.expected = expectedLoss;
    if (known.expectedLoss && known.collapsed === collapsed) return;
    const collapsedStep = known.collapsedStep || (collapsed ? BigInt(step) : 0n);
    this.value = { ...known, expectedLoss: onTheWire(expectedLoss), collapsed, collapsedStep };
  }

  warn(message: string): void {
    const { warnings } = this.known;
    if (warnings.length >= KEPT_WARNINGS || warnings.includes(message)) return;
    this.value = { ...this.known, warnings: [...warnings, message] };
  }

  private get known(): RunHealth {
    return this.value ?? { expectedLoss: undefined, warnings: [], collapsedStep: 0n, collapsed: false };
  }
}

/** Health of a run as the process that trains it last told. */
export function healthOnWire({ health }: RunProgress): RunHealth | undefined {
  if (!health) return undefined;
  const { expectedLoss, warnings, collapsedStep, collapsed } = health;
  return {
    expectedLoss: expectedLoss && onTheWire(expectedLoss),
    warnings,
    collapsedStep: BigInt(collapsedStep),
    collapsed,
  };
}

/** Health of a run as its newest checkpoint tells it; undefined where that is not known. */
export function healthIn({ spec, expectedLoss, history }: CheckpointRecord): RunHealth | undefined {
  if (!expectedLoss) return undefined;
  const collapse = collapseIn(spec.health, expectedLoss, history);
  return {
    expectedLoss: onTheWire(expectedLoss),
    warnings: [],
    collapsedStep: BigInt(collapse?.step ?? 0),
    collapsed: collapse?.persists ?? false,
  };
}

function onTheWire({ start, floor, collapsed }: ExpectedLoss): RunHealth['expectedLoss'] {
  return { start, floor, collapsed };
}
