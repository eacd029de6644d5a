import { readdirSync, readFileSync } from 'node:fs';
import { Client, credentials } from '@grpc/grpc-js';
import { TrainerServiceService, type WatchRunResponse } from '@medformer/gen/trainer';

/** Resolves once the run has passed this step. */
export async function reachesStep(env: Record<string, string>, run: string, step: number): Promise<void> {
  const client = new Client(
    env.MEDFORMER_TRAINER_ADDRESS ?? env.MEDFORMER_ADDRESS!,
    credentials.createInsecure(),
  );
  const { path, requestSerialize, responseDeserialize } = TrainerServiceService.watchRun;
  const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { run });
  call.on('error', () => {});
  try {
    for await (const { event } of call as AsyncIterable<WatchRunResponse>) {
      if (event?.$case === 'progress' && Number(event.value.step) >= step) return;
    }
    throw new Error(`run ${run} ended before step ${step}`);
  } finally {
    call.cancel();
    client.close();
  }
}

/** Living descendants of a process whose command line contains `part`. */
export function descendants(ancestor: number, part = ''): number[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]));
    } catch {
      // It ended while we looked.
    }
  }
  const found = [...parents.keys()].filter((pid) => {
    for (let up = parents.get(pid); up !== undefined && up > 1; up = parents.get(up))
      if (up === ancestor) return true;
    return false;
  });
  return found.filter((pid) => commandLine(pid).includes(part));
}

export function isAlive(pid: number): boolean {
  return commandLine(pid) !== '';
}

/** Empty for a process that is gone or waits as a zombie. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
