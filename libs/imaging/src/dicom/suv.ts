import type { DataSet } from 'dicom-parser';
import { decimal, items } from './data-set.js';

const UNITS = 'x00541001';

/**
 * What turns PET values in Bq/ml into standardised uptake values by body weight, g/ml: weight over the dose that is
 * left at the time to which the values are corrected (QIBA's vendor-neutral pseudo-code for SUV). Values that are
 * SUV by body weight already have the factor 1.
 *
 * @returns undefined where an attribute is missing or the units are others: nothing is guessed.
 */
export function suvFactor(data: DataSet): number | undefined {
  const units = data.string(UNITS)?.trim();
  if (units === 'GML') return 1;
  if (units !== 'BQML') return undefined;
  const corrections = data.string('x00280051')?.split('\\') ?? [];
  const radio = items(data, 'x00540016')[0];
  const weight = decimal(data, 'x00101030');
  if (!radio || !weight || !corrections.includes('ATTN') || !corrections.includes('DECY')) return undefined;
  const dose = decimal(radio, 'x00181074');
  const halfLife = decimal(radio, 'x00181075');
  if (!dose || !halfLife || !(dose > 0) || !(halfLife > 0) || !(weight > 0)) return undefined;
  const decayed = decayTime(data, radio);
  if (decayed === undefined) return undefined;
  const left = dose * 2 ** (-decayed / halfLife);
  const factor = (weight * 1000) / left;
  return Number.isFinite(factor) && factor > 0 ? factor : undefined;
}

/** Seconds from the injection to the time that the values are corrected to. */
function decayTime(data: DataSet, radio: DataSet): number | undefined {
  const correction = data.string('x00541102')?.trim();
  if (correction === 'ADMIN') return 0;
  if (correction !== 'START') return undefined;
  const series = seconds(data.string('x00080031'));
  const acquisition = seconds(data.string('x00080032'));
  // A series time after the acquisition's is that of a later reconstruction.
  if (series === undefined || acquisition === undefined) return undefined;
  const scan = Math.min(series, acquisition);
  const injectedAt = radio.string('x00181078')?.trim();
  const injected = injectedAt ? seconds(injectedAt.slice(8)) : seconds(radio.string('x00181072'));
  if (injected === undefined) return undefined;
  const elapsed = scan - injected;
  // Past midnight; a scan is never a day after the injection.
  return elapsed < 0 ? elapsed + 86_400 : elapsed;
}

function seconds(time: string | undefined): number | undefined {
  const [, hours, minutes, rest] = /^(\d{2})(\d{2})(\d{2}(?:\.\d+)?)/.exec(time?.trim() ?? '') ?? [];
  return hours === undefined ? undefined : Number(hours) * 3600 + Number(minutes) * 60 + Number(rest);
}
