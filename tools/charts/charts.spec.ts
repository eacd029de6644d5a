import { describe, expect, it } from 'vitest';
import { readmeOf } from './readme.mjs';
import { schemaOf } from './schema.mjs';
import { readValues } from './values.mjs';

const VALUES = `
# What every part has.
# @schema {definition: part}
defaults:
  # Pods.
  # @schema {minimum: 0}
  replicas: 1
  # Labels.
  # @schema {additionalProperties: {type: string}}
  labels:
    free: form
  # Its look.
  look:
    # Colour | shade.
    colour: ""

# The first part.
# @schema {from: part}
first:
  # Its own.
  own: true

# Only its look.
# @schema {from: part, keys: [look]}
second:
  # Seconds, or none.
  # @schema {type: [integer, 'null']}
  seconds: null
`;

describe('the values of a chart', () => {
  // biome-ignore lint/suspicious/noExplicitAny: JSON Schema
  const schema: any = schemaOf(readValues(VALUES));

  it('have the types of their defaults, what the annotations add, and no other key', () => {
    expect(schema.additionalProperties).toBe(false);
    expect(schema.definitions.part).toMatchObject({
      additionalProperties: false,
      properties: {
        replicas: { type: 'integer', minimum: 0, description: 'Pods.' },
        labels: { type: 'object', additionalProperties: { type: 'string' } },
        look: { additionalProperties: false, properties: { colour: { type: 'string' } } },
      },
    });
  });

  it('share the keys of a definition, all of them or those that are named', () => {
    const { first, second } = schema.properties;
    expect(Object.keys(first.properties).sort()).toEqual(['labels', 'look', 'own', 'replicas']);
    expect(first.properties.look).toEqual({ $ref: '#/definitions/part/properties/look' });
    expect(Object.keys(second.properties)).toEqual(['seconds', 'look']);
    expect(second.properties.seconds.type).toEqual(['integer', 'null']);
  });

  it('are listed with default and meaning, those of open maps apart', () => {
    const readme = readmeOf(readValues(VALUES));
    expect(readme).toContain('| `defaults.look.colour` |  | Colour \\| shade. |');
    expect(readme).toContain('| `defaults.labels` | `{"free":"form"}` | Labels. |');
    expect(readme).toContain('The first part. Every key of `defaults` may stand here.');
    expect(readme).toContain('Only its look. Of `defaults` may stand here: look.');
  });

  it('are refused without a comment, each by its path', () => {
    expect(() => readValues('# Part.\na:\n  b: 1\n  c: 2\nd: 3\n')).toThrow('without a comment: a.b, a.c, d');
  });
});
