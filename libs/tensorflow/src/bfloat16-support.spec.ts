import { expect, it } from 'vitest';
import { bfloat16Instructions } from './bfloat16-support.js';

it.each([
  ['flags\t\t: fpu avx512f avx512_bf16 avx512_vbmi', true],
  ['processor\t: 0\nflags\t\t: fpu avx2 fma\n', false],
  ['Features\t: fp asimd bf16 i8mm', true],
  ['', undefined],
])('tells from what Linux says of a processor whether it has bfloat16 instructions: %s', (cpuInfo, has) => {
  expect(bfloat16Instructions(cpuInfo)).toBe(has);
});
