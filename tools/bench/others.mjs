import { readdirSync, readFileSync } from 'node:fs';

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
  const processes = statsOfAll();
  const own = pids.reduce((sum, pid) => sum + familyOf(pid, processes).ticks, 0);
  return { all: busy + idle + wait, busy, own };
}

/**
 * User and system time of a process and of the processes below it, milliseconds.
 * @param {number} pid
 * @returns {{ own: number, below: number }}
 */
export function cpuOf(pid) {
  const { own, ticks } = familyOf(pid, statsOfAll());
  return { own: own * TICK_MS, below: (ticks - own) * TICK_MS };
}

const TICK_MS = 10;

/** A process counts for itself alone when it is the one that asks: what it started counts by itself. */
function familyOf(pid, all) {
  const below = (parent) =>
    [...all].filter(([, stat]) => stat.parent === parent).flatMap(([child]) => [child, ...below(child)]);
  const own = all.get(pid)?.ticks ?? 0;
  const others = pid === process.pid ? [] : below(pid);
  return { own, ticks: others.reduce((sum, child) => sum + all.get(child).ticks, own) };
}

function statsOfAll() {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return new Map(
    pids.flatMap((name) => {
      try {
        return [[Number(name), statOf(name)]];
      } catch {
        return []; // It has ended meanwhile.
      }
    }),
  );
}

/** The name of a process, which may hold anything, ends with the last bracket. */
function statOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
}
