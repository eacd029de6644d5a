import { join, normalize } from 'node:path';
import { FORBIDDEN, LAYERS, MAY_IMPORT } from './rules.mjs';

const SCOPE = '@medformer/';

/**
 * What breaks the table, one readable line each; empty when nothing does.
 * @param {import('./workspace.mjs').Package[]} packages
 * @returns {string[]}
 */
export function findViolations(packages) {
  return [
    ...packages
      .filter(({ name }) => !(name in LAYERS))
      .map(({ folder }) => `${folder}: has no layer in tools/check-imports/rules.mjs`),
    ...packages.flatMap((from) => from.imports.flatMap((found) => violationsOf(from, found))),
    ...findCycles(packages),
  ];
}

function violationsOf(from, { file, module }) {
  const spec = /\.spec\.[jt]s$/.test(file);
  const faults = [];
  if (module.startsWith('.')) {
    const target = normalize(join(file, '..', module));
    return target.startsWith(`${from.folder}/`)
      ? []
      : [`${file}: ${module} leaves its package; import it by name`];
  }
  for (const rule of FORBIDDEN) {
    if (!rule.layers.includes(LAYERS[from.name]) || rule.except.includes(from.name)) continue;
    if (spec && !rule.inSpecs) continue;
    if (rule.modules.some((pattern) => pattern.test(module)))
      faults.push(`${file}: imports ${module}: ${rule.why}`);
  }
  if (!module.startsWith(SCOPE)) return faults;
  const to = module.slice(SCOPE.length).split('/')[0];
  if (to === from.name) return [...faults, `${file}: imports its own package by name`];
  if (!MAY_IMPORT[LAYERS[from.name]]?.includes(LAYERS[to])) {
    faults.push(
      `${file}: ${LAYERS[from.name]} "${from.name}" may not import ${LAYERS[to] ?? 'unknown'} "${to}"`,
    );
  }
  if (!from.dependencies.includes(SCOPE + to))
    faults.push(`${file}: ${SCOPE}${to} is not in ${from.folder}/package.json`);
  if (!spec && !from.references.includes(to))
    faults.push(`${file}: ${to} is no reference of ${from.folder}/tsconfig.json`);
  return faults;
}

function findCycles(packages) {
  const edges = new Map(
    packages.map(({ name, dependencies }) => [
      name,
      dependencies
        .filter((dependency) => dependency.startsWith(SCOPE))
        .map((dependency) => dependency.slice(SCOPE.length)),
    ]),
  );
  const done = new Set();
  const cycles = [];
  const visit = (name, path) => {
    if (path.includes(name)) {
      cycles.push(`cycle: ${[...path.slice(path.indexOf(name)), name].join(' -> ')}`);
      return;
    }
    if (done.has(name)) return;
    for (const next of edges.get(name) ?? []) visit(next, [...path, name]);
    done.add(name);
  };
  for (const name of edges.keys()) visit(name, []);
  return cycles;
}
