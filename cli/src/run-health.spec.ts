import { describe, expect, it } from 'vitest';
import { expectedLine, HealthNotes, healthFacts, replayFacts, replayRecord } from './run-health.js';

const expectedLoss = { start: 5.5413, floor: 1.2, collapsed: 5.5413 };
const health = { expectedLoss, warnings: [], collapsedStep: 0n, collapsed: false };

describe('what to expect of the loss', () => {
  it('is one line of what is known', () => {
    expect(expectedLine(health)).toBe(
      'loss starts near 5.541, cannot go below 1.2, stays at 5.541 on collapse',
    );
    const barlow = { start: 265.2, floor: 5.202, collapsed: undefined };
    expect(expectedLine({ ...health, expectedLoss: barlow })).toBe(
      'loss starts near 265.2, cannot go below 5.202',
    );
    expect(expectedLine({ ...health, expectedLoss: undefined })).toBe('');
  });

  it('is said once, as is each warning', () => {
    const notes = new HealthNotes();
    const warned = { ...health, warnings: ['step 1: loss 40'] };

    expect(notes.after(health)).toHaveLength(1);
    expect(notes.after(warned)).toEqual(['warning: step 1: loss 40']);
    expect(notes.after({ ...warned, collapsed: true, warnings: [...warned.warnings, 'collapsed'] })).toEqual([
      'warning: collapsed',
    ]);
  });
});

it('says of a shown run when it collapsed, and whether it recovered', () => {
  const collapsed = { ...health, collapsedStep: 40n, collapsed: true };

  expect(healthFacts(undefined)).toEqual([]);
  expect(healthFacts(collapsed)).toContainEqual(['collapsed', 'at step 40']);
  expect(healthFacts({ ...collapsed, collapsed: false })).toContainEqual([
    'collapsed',
    'at step 40, and recovered',
  ]);
});

describe('a replayed step', () => {
  const replayed = {
    failedStep: 'f'.repeat(64),
    step: 3n,
    images: ['a1', 'b2', 'c3', 'd4', 'e5'],
    runLoss: Number.NaN,
    runGradientNorm: Number.NaN,
    loss: Number.NaN,
    gradientNorm: Number.POSITIVE_INFINITY,
    terms: [{ name: 'invariance', value: 2.5 }],
    input: '',
    parameter: '',
    op: { op: 'MatMul', backward: false, outputShape: [24, 16], near: 'body/00/mlp/in/weight' },
    gradientOf: 'body/00/mlp/in/weight',
    badGradients: 12,
    parameters: 40,
  };

  it('says where what is not finite comes from', () => {
    const text = replayFacts(replayed);

    expect(text).toMatch(
      /comes from +MatMul \[24, 16\] in the forward pass, after body\/00\/mlp\/in\/weight was read/,
    );
    expect(text).toMatch(
      /gradients +12 of 40 not finite; the backward pass meets body\/00\/mlp\/in\/weight first/,
    );
    expect(text).toMatch(/step +3, 5 images: a1, b2, c3, d4, …/);
    const weights = { ...replayed, op: undefined, parameter: 'input/latents' };
    expect(replayFacts(weights)).toContain('the weights before the step: input/latents is not finite');
    expect(replayFacts({ ...replayed, op: undefined, input: 'x' })).toContain('the batch: x is not finite');
    const finite = { ...replayed, op: undefined, badGradients: 0, gradientOf: '' };
    expect(replayFacts(finite)).toContain('nowhere: computed again, every value is finite');
  });

  it('is JSON that keeps what is no number', () => {
    expect(
      JSON.parse(
        JSON.stringify(replayRecord(replayed), (_, value) =>
          typeof value === 'bigint' ? Number(value) : value,
        ),
      ),
    ).toMatchObject({
      loss: 'NaN',
      gradientNorm: 'Infinity',
      terms: { invariance: 2.5 },
    });
  });
});
