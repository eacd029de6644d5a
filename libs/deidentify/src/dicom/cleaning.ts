import type { Profile } from '../profile.js';
import type { Tally } from '../tally.js';
import type { Encoding } from './encoding.js';

/** What holds for all of a file while its data set is cleaned. */
export interface Cleaning {
  profile: Profile;
  sopClass: string;
  encoding: Encoding;
  shiftDays: number;
  /** Words of values that identify, in lower case. */
  identifying: ReadonlySet<string>;
  tally: Tally;
  nested: boolean;
  /** Of a sequence that is to be a dummy: every text becomes one. */
  dummy: boolean;
}
