import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import type { Manifest } from './chart.js';
import { ROOT } from './services.js';

const { PATH } = process.env;

export interface PodSurroundings {
  /** Under this the volumes stand; a path of a container becomes one below it. */
  folder: string;
  /** All objects of the release, and what it expects beside them: Secrets with base64 as in Kubernetes. */
  manifests: readonly Manifest[];
  /** What the network is: texts such as `service:port`, and what they are here. */
  network: Readonly<Record<string, string>>;
}

/**
 * Starts a pod's one container as a process of this machine, with what the manifest says: its command, environment and
 * volumes. Only isolation and the image are missing: `node` and the programs are those of this checkout.
 */
export async function startPod(name: string, pod: Manifest, around: PodSurroundings) {
  const [container] = pod.containers;
  const paths = new Map<string, string>(
    container.volumeMounts.map(({ mountPath }: Manifest) => [
      mountPath,
      join(around.folder, name, mountPath),
    ]),
  );
  const here = (text: string) => translate(text, paths, around.network);
  for (const mount of container.volumeMounts) {
    const volume = pod.volumes.find((each: Manifest) => each.name === mount.name);
    const target = paths.get(mount.mountPath)!;
    await mkdir(mount.subPath ? dirname(target) : target, { recursive: true });
    for (const [file, bytes] of filesOf(volume, around.manifests)) {
      if (mount.subPath && mount.subPath !== file) continue;
      const isText = volume.configMap && !bytes.includes(0);
      await writeFile(mount.subPath ? target : join(target, file), isText ? here(bytes.toString()) : bytes, {
        mode: 0o600,
      });
    }
  }
  const env = Object.fromEntries(
    container.env.map((each: Manifest) => [each.name, here(envValue(each, around.manifests))]),
  );
  const [program, ...args] = [...container.command, ...(container.args ?? [])].map(here);
  const path = `${join(ROOT, '.cache/tools/bin')}:${PATH}`;
  const process = execa(program!, args, {
    cwd: ROOT,
    env: { PATH: path, ...env },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  });
  // A process of execa is a promise of its end: handed out bare, whoever awaits this would wait for that.
  return { process };
}

function translate(
  text: string,
  paths: Map<string, string>,
  network: Readonly<Record<string, string>>,
): string {
  let translated = text;
  for (const [from, to] of Object.entries(network)) translated = translated.replaceAll(from, to);
  const longestFirst = [...paths.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(`(?<![\\w./-])(${longestFirst.join('|')})(?=$|[/\\s"';])`, 'gm');
  return translated.replace(pattern, (mounted) => paths.get(mounted)!);
}

function filesOf(volume: Manifest, manifests: readonly Manifest[]): [string, Buffer][] {
  const [kind, name] = volume.secret
    ? ['Secret', volume.secret.secretName]
    : ['ConfigMap', volume.configMap?.name];
  if (!name) return [];
  const { data = {}, binaryData = {} } = named(manifests, kind!, name);
  const decode = (text: string) => Buffer.from(text, 'base64');
  return [
    ...Object.entries<string>(data).map(([file, text]): [string, Buffer] => [
      file,
      kind === 'Secret' ? decode(text) : Buffer.from(text),
    ]),
    ...Object.entries<string>(binaryData).map(([file, text]): [string, Buffer] => [file, decode(text)]),
  ];
}

function envValue({ value, valueFrom }: Manifest, manifests: readonly Manifest[]): string {
  if (value !== undefined) return value;
  if (valueFrom.resourceFieldRef) return '1';
  const { name, key } = valueFrom.secretKeyRef;
  return Buffer.from(named(manifests, 'Secret', name).data[key], 'base64').toString();
}

function named(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = manifests.find((each) => each.kind === kind && each.metadata.name === name);
  if (!found) throw new Error(`the release has no ${kind} ${name}`);
  return found;
}
