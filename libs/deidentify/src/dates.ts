const DAY_MS = 86_400_000;
const DATE = /^(\d{4})\.?(\d{2})\.?(\d{2})$/;
const TIME = /^\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?$/;
const DATE_TIME = /^(\d{4})(\d{2})?(\d{2})?(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?([+-]\d{4})?$/;
const ZONE = /^[+-]\d{4}$/;
const AGE = /^(\d{3})([DWMY])$/;
/** Above it an age is rare enough to name a person. */
const OLDEST = 89;

/**
 * A value of DA, DT or TM (PS3.5 section 6.2) moved `days` into the past; times of day stay, so that intervals do.
 * Undefined where the value is of no such form.
 */
export function shiftTemporal(vr: string, value: string, days: number): string | undefined {
  if (vr === 'TM') return TIME.test(value) ? value : undefined;
  if (vr === 'DA') {
    const [, year, month, day] = DATE.exec(value) ?? [];
    return year && shiftDate(Number(year), Number(month), Number(day), days);
  }
  if (vr !== 'DT') return undefined;
  const [, year, month, day, time = '', zone = ''] = DATE_TIME.exec(value) ?? [];
  if (!year || (time && !day)) return undefined;
  // Of a year or month alone the middle moves.
  const shifted = shiftDate(Number(year), Number(month ?? 7), Number(day ?? 15), days);
  return shifted && shifted.slice(0, day ? 8 : month ? 6 : 4) + time + zone;
}

/** An offset from UTC, unless it is of another form. */
export function checkZone(value: string): string | undefined {
  return ZONE.test(value) ? value : undefined;
}

/** An age string with ages over 89 years as 090Y; undefined where it is of another form. */
export function capAge(value: string): string | undefined {
  const [, count, unit] = AGE.exec(value) ?? [];
  if (count === undefined) return undefined;
  return unit === 'Y' && Number(count) > OLDEST ? '090Y' : value;
}

function shiftDate(year: number, month: number, day: number, days: number): string | undefined {
  const time = Date.UTC(year, month - 1, day);
  const given = new Date(time);
  if (year < 100 || given.getUTCMonth() !== month - 1 || given.getUTCDate() !== day) return undefined;
  const shifted = new Date(time - days * DAY_MS);
  return shifted.toISOString().slice(0, 10).replaceAll('-', '');
}
