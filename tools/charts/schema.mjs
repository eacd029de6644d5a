/**
 * JSON Schema of the values: types by the defaults, the rest by the annotations, no key that is not documented.
 * `definition` gives a block a name; `from` lets another block hold its keys (all, or those of `keys`) beside its own.
 * @param {import('./values.mjs').Value[]} values
 */
export function schemaOf(values) {
  const definitions = {};
  const properties = propertiesOf(values, definitions);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the Medformer chart',
    type: 'object',
    additionalProperties: false,
    properties: {
      ...properties,
      global: { description: 'Values that Helm hands to every chart; none is used.', type: 'object' },
      library: { description: 'Values that Helm hands to the library chart; none is used.', type: 'object' },
    },
    definitions,
  };
}

function propertiesOf(values, definitions) {
  return Object.fromEntries(values.map((value) => [value.key, propertyOf(value, definitions)]));
}

function propertyOf({ meaning, annotation, fallback, children }, definitions) {
  const { definition, from, keys, ...given } = annotation;
  const schema = { description: meaning, type: typeOf(fallback), ...given };
  if (schema.type === 'object' && (children.length > 0 || !('additionalProperties' in given))) {
    const own = propertiesOf(children, definitions);
    schema.properties = from ? { ...own, ...shared(from, keys, definitions) } : own;
    schema.additionalProperties ??= false;
  }
  if (!definition) return schema;
  definitions[definition] = schema;
  return { description: meaning, $ref: `#/definitions/${definition}` };
}

function shared(from, keys, definitions) {
  const names = keys ?? Object.keys(definitions[from].properties);
  return Object.fromEntries(names.map((key) => [key, { $ref: `#/definitions/${from}/properties/${key}` }]));
}

function typeOf(fallback) {
  if (Array.isArray(fallback)) return 'array';
  if (Number.isInteger(fallback)) return 'integer';
  return typeof fallback;
}
