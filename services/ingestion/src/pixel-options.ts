import type { IngestOptions } from '@medformer/gen/ingestion';
import { ruleFor } from '@medformer/imaging';
import { badInput, type MedformerError, NormalisationRule, Resampling, Slug } from '@medformer/schema';
import type { IngestionInput } from './ingestion-calls.js';

type PixelOptions = Pick<IngestionInput['options'], 'normalisation' | 'resampling'>;

const RULES = ['hu-window', 'percentile', 'z-score', 'suv-window'];

/**
 * What the request says of normalisation and resampling; nothing where it says nothing, so that the usual rules hold.
 * @throws MedformerError INVALID_ARGUMENT naming the option
 */
export function pixelOptions(options: IngestOptions | undefined): PixelOptions {
  const { normalisation = {}, resampleShape = [], resampleSpacingMm = [] } = options ?? {};
  const rules = Object.entries(normalisation).map(([modality, rule]) => [modality, ruleOf(modality, rule)]);
  const resampling = resamplingOf(resampleShape, resampleSpacingMm);
  return {
    ...(rules.length > 0 ? { normalisation: Object.fromEntries(rules) } : {}),
    ...(resampling ? { resampling } : {}),
  };
}

function ruleOf(modality: string, { rule, low, high }: IngestOptions['normalisation'][string]) {
  const name = 'options.normalisation';
  if (!Slug.safeParse(modality).success) {
    throw refuse(
      name,
      'a modality of lower-case words joined by hyphens',
      JSON.stringify(modality.slice(0, 80)),
    );
  }
  if (!RULES.includes(rule)) throw refuse(`${name}.${modality}`, RULES.join(', '), rule.slice(0, 80));
  const usual = ruleFor('pet');
  const parsed = NormalisationRule.safeParse({
    rule,
    low,
    high,
    ...(rule === 'suv-window' && usual.rule === 'suv-window' ? { otherwise: usual.otherwise } : {}),
  });
  if (parsed.success && low < high) return parsed.data;
  const expected = `low below high${rule === 'percentile' ? ', from 0 to 100' : ''}`;
  throw refuse(`${name}.${modality}`, expected, `${low} and ${high}`);
}

function resamplingOf(shape: number[], spacingMm: number[]): Resampling | undefined {
  if (shape.length === 0 && spacingMm.length === 0) return undefined;
  if (shape.length > 0 && spacingMm.length > 0) {
    throw refuse('options', 'one of resample_shape and resample_spacing_mm', 'both');
  }
  const parsed = Resampling.safeParse(
    shape.length > 0 ? { to: 'shape', values: shape } : { to: 'spacing', values: spacingMm },
  );
  if (parsed.success) return parsed.data;
  const field = shape.length > 0 ? 'options.resample_shape' : 'options.resample_spacing_mm';
  throw refuse(field, 'two or three positive numbers', [...shape, ...spacingMm].slice(0, 8).join(', '));
}

function refuse(field: string, expected: string, found: string): MedformerError {
  return badInput({ file: 'request', field, expected, found });
}
