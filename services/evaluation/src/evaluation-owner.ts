import { randomUUID } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Owner, Told } from './evaluation-record.js';

/** How often the owner of an evaluation says that it lives, and looks whether it shall stop. */
export const TELL_EVERY_MS = 5000;
/** An owner in another place that was silent for so long is gone. */
const SILENT_MS = 6 * TELL_EVERY_MS;

/** This process. */
export const SELF: Owner = { space: processSpace(), pid: process.pid, instance: randomUUID() };

/**
 * Whether nobody computes an evaluation any more that was under way when it was last told of. Of an owner in this process
 * namespace that shows at once, of another by its silence.
 * @param isOurs whether this process has it
 */
export function isAbandoned({ owner, updatedAt }: Told, isOurs: boolean): boolean {
  if (owner.instance === SELF.instance) return !isOurs;
  if (owner.space !== SELF.space) return Date.now() - Date.parse(updatedAt) > SILENT_MS;
  // Another instance of our number is the process before this one.
  return owner.pid === SELF.pid || !isRunning(owner.pid);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Pods on one network share a host name, but not their numbers of processes. */
function processSpace(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
