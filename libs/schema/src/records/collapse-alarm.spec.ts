import { describe, expect, it } from 'vitest';
import { CollapseAlarm, collapseIn } from './collapse-alarm.js';
import { HealthSpec } from './health-spec.js';

const spec = HealthSpec.parse({ window: 3 });
const entry = (step: number, embeddingStd: number, effectiveRank: number, loss = 5, centredRank = 2) => ({
  step,
  loss,
  learningRate: 1e-3,
  gradientNorm: 1,
  embeddingStd,
  effectiveRank,
  centredRank,
});
const flat = (step: number, loss = 5) => entry(step, 0.01, 1.1, loss);

describe('the collapse alarm', () => {
  it('is raised when all steps of the window are flat and the loss stands where it is on collapse', () => {
    const alarm = new CollapseAlarm(spec, { collapsed: 5.1 });

    expect([1, 2, 3, 4].map((step) => alarm.after(flat(step)))).toEqual([false, false, true, true]);
    expect(alarm.after(entry(5, 0.4, 6))).toBe(false);
    expect(alarm.after(flat(6))).toBe(false);
  });

  it.each([
    ['the spread is wide', () => entry(1, 0.3, 1.1)],
    ['the rank is high', () => entry(1, 0.01, 4)],
    ['images differ in many directions beside one that all share', () => entry(1, 0.01, 1.1, 5, 9)],
    ['the loss fell below its value on collapse', () => flat(1, 4)],
    ['neither was measured', () => ({ step: 1, loss: 5, learningRate: 1, gradientNorm: 1 })],
  ])('is not raised while %s', (_, made) => {
    const alarm = new CollapseAlarm(spec, { collapsed: 5 });

    expect([1, 2, 3, 4].some(() => alarm.after(made()))).toBe(false);
  });

  it('waits for the loss to stop falling where the method has no value on collapse, and then stays', () => {
    const alarm = new CollapseAlarm(spec, {});

    const losses = [5, 4.5, 4, 3.5, 3.6, 3.4, 2, 1];
    expect(losses.map((loss, step) => alarm.after(flat(step, loss)))).toEqual([
      ...[false, false, false, false],
      ...[false, true, true, true],
    ]);
    expect(alarm.after(entry(9, 0.4, 6))).toBe(false);
  });

  it('takes a loss above its start for learning nothing, also while it falls', () => {
    const alarm = new CollapseAlarm(spec, { start: 1 });

    expect([40, 20, 5].map((loss) => alarm.after(flat(1, loss)))).toEqual([false, false, true]);
  });

  it('judges a history without the centred rank by the rest', () => {
    const alarm = new CollapseAlarm(spec, { collapsed: 5 });
    const { centredRank: _, ...known } = flat(1);

    expect([1, 2, 3].map(() => alarm.after(known))).toEqual([false, false, true]);
  });

  it('finds in a history when it was first raised, and whether it lasted', () => {
    const history = [1, 2, 3].map((step) => flat(step));

    expect(collapseIn(spec, {}, history)).toEqual({ step: 3, persists: true });
    expect(collapseIn(spec, {}, [...history, entry(4, 0.5, 9)])).toEqual({ step: 3, persists: false });
    expect(collapseIn(spec, {}, history.slice(1))).toBeUndefined();
  });
});
