import { describe, expect, it } from 'vitest';
import { cleanDescription, wordsOf } from './clean-text.js';

describe('cleanDescription', () => {
  it.each([
    ['CT THORAX W/ CONTRAST, Dr. Müller 0170-1234567', 'ct thorax w contrast'],
    ['T2w_tse_sag*(Smith)', 't2w tse sag'],
    ['mrs. J. Doe, MR brain 12.03.1977', 'mr brain'],
    ['', ''],
  ])('makes %j %j', (text, expected) => {
    expect(cleanDescription(text, new Set())).toBe(expected);
  });

  it('drops words of imaging that are names in the same file', () => {
    const names = new Set(wordsOf('HEAD^Hip Foot'));
    expect(cleanDescription('mr head and foot of Hip, lateral', names)).toBe('mr lateral');
  });
});
