import { readFileSync } from 'node:fs';

/**
 * Begins to watch the machine; the function it returns gives the share of it that processes other than these, and other
 * guests of its host, have taken since. A number measured beside others tells little.
 * @param {number[]} pids
 */
export function watchOthers(pids) {
  const before = read(pids);
  return () => {
    const after = read(pids);
    const all = after.all - before.all;
    return all > 0 ? Math.max(0, after.busy - before.busy - (after.own - before.own)) / all : 0;
  };
}

/** Ticks since boot: of the machine, those that were busy or stolen, and those of the processes. */
function read(pids) {
  const [user, nice, system, idle, wait, irq, softIrq, steal] = /^cpu +(.*)$/m
    .exec(readFileSync('/proc/stat', 'utf8'))[1]
    .split(' ')
    .map(Number);
  const busy = user + nice + system + irq + softIrq + steal;
  return { all: busy + idle + wait, busy, own: pids.reduce((sum, pid) => sum + ticksOf(pid), 0) };
}

/** User and system time of a process; its name, which may hold anything, ends with the last bracket. */
function ticksOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
