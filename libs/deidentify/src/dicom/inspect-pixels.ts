import { badInput, type DeidentificationNote } from '@medformer/schema';
import { wordsOf } from '../clean-text.js';
import type { Profile } from '../profile.js';
import { BURNED_IN_ANNOTATION, burnedInText } from './burned-in-text.js';
import type { PixelRegionRule } from './pixel-region-rule.js';
import { type DataSet, textOf } from './read-data-set.js';

/** Scans from which a face can be rebuilt. */
const SHOWS_SURFACES = new Set(['CT', 'MR', 'PT']);
const HEAD = new Set(
  'head brain skull face facial neuro orbit orbits sinus sinuses nose cranium cranial'.split(' '),
);

export interface PixelFindings {
  /** Parts to be blanked. */
  blank: PixelRegionRule['blank'];
  notes: DeidentificationNote[];
}

/**
 * Whether an image may pass with its pixels: refused when it says that they show text, or when its kind often does and
 * nothing says that this one does not, unless a rule says where.
 *
 * @throws MedformerError INVALID_ARGUMENT naming the attribute and what would let the image pass
 */
export function inspectPixels(
  data: DataSet,
  sopClass: string,
  profile: Profile,
  file: string,
): PixelFindings {
  const text = (tag: string) => textOf(data, data.elements[tag]).trim();
  const modality = text('x00080060');
  const blank = profile.pixelRegions
    .filter((rule) => holds(rule, modality, data))
    .flatMap((rule) => rule.blank);
  const notes: DeidentificationNote[] = [];
  if (faceMayShow(data, modality)) notes.push('face-may-be-recognisable');
  if (!data.elements.x7fe00010) return { blank: [], notes };
  if (blank.length > 0) return { blank, notes: [...notes, 'pixels-blanked'] };

  const refuse = (found: string) =>
    badInput({
      file,
      field: BURNED_IN_ANNOTATION,
      expected: 'NO, or a rule for where this device writes text into its pixels',
      found,
    });
  const found = burnedInText({
    burnedInAnnotation: text('x00280301'),
    modality,
    sopClass,
    imageType: text('x00080008'),
    converted: data.elements.x00080064 !== undefined,
  });
  if (found === 'stated') throw refuse('YES');
  if (found === 'denied') return { blank, notes };
  if (found === 'suspected' && !profile.acceptUnstatedPixels) {
    throw refuse('nothing, in an image of a kind that often shows text');
  }
  return { blank, notes: [...notes, 'pixels-unstated'] };
}

function holds(rule: PixelRegionRule, modality: string, data: DataSet): boolean {
  const equal = (tag: string, wanted: string | undefined) =>
    wanted === undefined ||
    textOf(data, data.elements[tag]).trim().toLowerCase() === wanted.trim().toLowerCase();
  return (
    modality === rule.modality &&
    equal('x00080070', rule.manufacturer) &&
    equal('x00081090', rule.model) &&
    (rule.rows === undefined || data.uint16('x00280010') === rule.rows) &&
    (rule.columns === undefined || data.uint16('x00280011') === rule.columns)
  );
}

/** A scan that says nothing of the body's part may be one of the head. */
function faceMayShow(data: DataSet, modality: string): boolean {
  if (!SHOWS_SURFACES.has(modality)) return false;
  const said = ['x00180015', 'x00081030', 'x0008103e', 'x00181030'].flatMap((tag) =>
    wordsOf(textOf(data, data.elements[tag])),
  );
  return said.some((word) => HEAD.has(word)) || textOf(data, data.elements.x00180015) === '';
}
