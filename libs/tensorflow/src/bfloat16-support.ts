import { existsSync, readFileSync } from 'node:fs';
import { backendInfo } from './backend.js';

const CPU_INFO = '/proc/cpuinfo';

/**
 * Whether products of bfloat16 factors run on instructions of their own (AVX512-BF16, AMX, Armv8.6 BF16, a GPU) or are
 * composed of float32's, which takes longer; undefined where that cannot be told.
 *
 * @param cpuInfo what Linux says of the processor
 */
export function bfloat16Instructions(
  cpuInfo = existsSync(CPU_INFO) ? readFileSync(CPU_INFO, 'utf8') : '',
): boolean | undefined {
  if (backendInfo().gpu) return true;
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(cpuInfo)?.[1]?.split(' ');
  return flags?.some((flag) => ['avx512_bf16', 'amx_bf16', 'bf16'].includes(flag));
}
