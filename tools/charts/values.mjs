import { isMap, parse, parseDocument } from 'yaml';

/**
 * One value of values.yaml.
 * @typedef {object} Value
 * @property {string} key
 * @property {string} path dots between keys
 * @property {string} meaning its comment
 * @property {Record<string, unknown>} annotation its `@schema` lines
 * @property {unknown} fallback its default
 * @property {Value[]} children the documented values within it
 */

/**
 * The documented values of a values.yaml, as a tree. A value inside a map that `@schema` opens to any key
 * (`additionalProperties`) is an example and needs no comment; every other one needs it.
 * @param {string} text
 * @returns {Value[]}
 * @throws Error that lists every value without a comment
 */
export function readValues(text) {
  const document = parseDocument(text);
  if (document.errors.length > 0) throw document.errors[0];
  const undocumented = [];
  const values = valuesIn(document.contents, '', false, undocumented);
  if (undocumented.length > 0) throw new Error(`values.yaml: without a comment: ${undocumented.join(', ')}`);
  return values;
}

/** @returns {Value[]} */
function valuesIn(map, prefix, open, undocumented) {
  return map.items.flatMap(({ key, value }, index) => {
    const path = prefix + key.value;
    // The parser hangs the comment of a map's first key on the map.
    const comment = key.commentBefore ?? (index === 0 ? map.commentBefore : undefined);
    if (comment === undefined) {
      if (!open) undocumented.push(path);
      return [];
    }
    const { meaning, annotation } = read(comment);
    const children = isMap(value)
      ? valuesIn(value, `${path}.`, 'additionalProperties' in annotation, undocumented)
      : [];
    return [{ key: key.value, path, meaning, annotation, fallback: value?.toJSON() ?? null, children }];
  });
}

function read(comment) {
  // A blank line ends what stands above and belongs to no key.
  const lines = comment
    .split('\n\n')
    .at(-1)
    .split('\n')
    .map((line) => line.trim());
  const annotations = lines.filter((line) => line.startsWith('@schema '));
  return {
    meaning: lines.filter((line) => !line.startsWith('@schema ')).join(' '),
    annotation: Object.assign({}, ...annotations.map((line) => parse(line.slice('@schema '.length)))),
  };
}
