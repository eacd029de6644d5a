import type { FusionQuality, FusionQualityRow } from './fusion-quality.js';

/** What the columns of `fusionQualityTable` say. */
export const FUSION_QUALITY_LEGEND = [
  [
    'seam',
    'how far squared jumps of grey values across borders exceed those of the sources there, in thousandths',
  ],
  ['repaired', 'the same after the generator; in brackets how many times less'],
  ['drift', 'how far the repair moved the means of regions, of the mean grey value; in brackets the most'],
  ['greys', 'Wasserstein distance of grey values to real images; in brackets of two halves of the patients'],
  [
    'Fréchet',
    'distance to real images in the feature space of the checkpoint, from samples of one size; in brackets of two halves of the patients',
  ],
  ['copies', 'fusions that correlate more with a real image than 99 % of images do with another patient'],
  [
    'nearest',
    'median correlation with the nearest real image; in brackets of real images with another patient',
  ],
  ['diversity', 'root mean square difference of two fusions; in brackets of two real images'],
] as const;

/** How good fusions are, as a table: a row for each record and number of patients. */
export function fusionQualityTable(qualities: readonly FusionQuality[]): {
  head: string[];
  rows: string[][];
} {
  const kindOf = ({ modality, bodyPart, axes }: FusionQualityRow) => `${modality} ${bodyPart} ${axes}D`;
  const kinds = new Set(qualities.flatMap(({ rows }) => rows.map(kindOf)));
  const named = kinds.size > 1 ? ['images'] : [];
  return {
    head: ['', ...named, 'patients', 'fusions', ...FUSION_QUALITY_LEGEND.map(([column]) => column)],
    rows: qualities.flatMap(({ spec, rows }) =>
      rows.map((row) => [
        spec.fusion.generator ? 'BrainFuse' : 'RawBrainFuse',
        ...named.map(() => kindOf(row)),
        String(row.sources),
        String(row.fusions),
        ...measuresOf(row),
      ]),
    ),
  };
}

/** In the order of the legend; empty where something was not measured. */
function measuresOf(row: FusionQualityRow): string[] {
  const { seam, drift, histogram, frechet, memorisation, diversity } = row;
  return [
    thousandths(seam.raw),
    seam.repaired === undefined
      ? ''
      : beside(thousandths(seam.repaired), seam.ratio && `${seam.ratio.toFixed(1)}×`),
    drift ? beside(percent(drift.mean), percent(drift.largest)) : '',
    beside(histogram.distance.toFixed(4), histogram.real?.toFixed(4)),
    frechet ? beside(frechet.distance.toPrecision(3), frechet.real.toPrecision(3)) : '',
    memorisation ? beside(percent(memorisation.rate), `r > ${memorisation.threshold.toFixed(3)}`) : '',
    memorisation ? beside(memorisation.nearest.toFixed(3), memorisation.nearestReal.toFixed(3)) : '',
    diversity ? beside(diversity.fusions.toFixed(3), diversity.images.toFixed(3)) : '',
  ];
}

function beside(value: string, other: string | number | null | undefined): string {
  return other ? `${value} (${other})` : value;
}

function thousandths(energy: number): string {
  return (1000 * energy).toFixed(2);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
