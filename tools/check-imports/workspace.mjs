import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { parseSync } from 'oxc-parser';

/**
 * @typedef {{ file: string, module: string }} Import
 * @typedef {{ name: string, folder: string, dependencies: string[], references: string[], imports: Import[] }} Package
 */

/**
 * Every package of the workspace with what its sources import.
 * @param {string} root
 * @returns {Package[]}
 */
export function readWorkspace(root) {
  const folders = [...children(root, 'libs'), ...children(root, 'services'), 'cli', 'e2e'];
  return folders
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .map((folder) => readPackage(root, folder));
}

/**
 * Static imports, re-exports and imports of types and modules by a literal name.
 * @param {string} file
 * @param {string} source
 * @returns {string[]}
 */
export function importsOf(file, source) {
  const { module, errors } = parseSync(file, source);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`);
  const literal = /^(['"])(.*)\1$/;
  return [
    ...module.staticImports.map((found) => found.moduleRequest.value),
    ...module.staticExports.flatMap((found) =>
      found.entries.flatMap((entry) => (entry.moduleRequest ? [entry.moduleRequest.value] : [])),
    ),
    ...module.dynamicImports.flatMap((found) => {
      const request = source.slice(found.moduleRequest.start, found.moduleRequest.end);
      return literal.exec(request)?.[2] ?? [];
    }),
  ];
}

function readPackage(root, folder) {
  const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  const config = JSON.parse(readFileSync(join(root, folder, 'tsconfig.json'), 'utf8'));
  return {
    name: basename(folder),
    folder,
    dependencies: Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }),
    references: (config.references ?? []).map((reference) => basename(reference.path)),
    // Generated sources import only the two libraries that their generator names.
    imports:
      folder === 'libs/gen'
        ? []
        : sourceFiles(join(root, folder, 'src')).flatMap((file) => readImports(root, file)),
  };
}

function readImports(root, file) {
  const path = relative(root, file);
  return importsOf(path, readFileSync(file, 'utf8')).map((module) => ({ file: path, module }));
}

function sourceFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.m?[jt]s$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

function children(root, folder) {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${folder}/${entry.name}`);
}
