import {
  type DataReport,
  type DataReportSpec,
  type DatasetManifest,
  type ImageRecord,
  type ReportedPair,
  Rng,
  type Split,
} from '@medformer/schema';
import { type DuplicatePair, findDuplicates } from './duplicates.js';
import { type Fingerprint, fingerprint } from './fingerprint.js';
import { imageGrid } from './image-grid.js';
import { centred, product, similarityOf, standardised } from './similarity.js';

/** Pairs that a report lists; it counts all. */
const LISTED = 200;

/** An image drawn for the similarities. */
interface DrawnImage {
  group: number;
  id: string;
  dataset: number;
  subject: string;
  grid: Float32Array;
}

/**
 * Looks at the images of a cohort one by one, and says then what it is made of and what of it is there twice. Memory: about
 * a kilobyte per image, 22 per volume.
 */
export class Survey {
  private readonly images: Fingerprint[] = [];
  private readonly groups = new Map<string, Group>();

  constructor(
    private readonly spec: DataReportSpec,
    private readonly manifests: readonly DatasetManifest[],
  ) {}

  /**
   * @param dataset position among the manifests
   * @param pixels row-major, channels last
   */
  add(dataset: number, record: ImageRecord, pixels: Uint8Array | Uint16Array): void {
    const grid = imageGrid(pixels, record.shape, record.pixelType);
    const image = fingerprint(dataset, record, pixels, grid);
    this.images.push(image);
    this.groupOf(image).add(image, grid.values);
  }

  /**
   * @param onTurn called now and then: to yield and to see a cancellation
   */
  async finish(codeVersion: string, onTurn: () => Promise<void> | void = () => {}): Promise<SurveyedCohort> {
    const groups = [...this.groups.values()].sort((x, y) => (x.key < y.key ? -1 : 1));
    const drawn = groups.flatMap((group, at) => group.drawn.map((image) => ({ ...image, group: at })));
    const pairs = await findDuplicates(this.images, this.spec.duplicates, onTurn);
    const reported = pairs.map((pair) => this.reported(pair));
    const count = (kind: ReportedPair['kind']) => ({
      leaking: reported.filter((pair) => pair.kind === kind && pair.leaks).length,
      within: reported.filter((pair) => pair.kind === kind && !pair.leaks).length,
    });
    const report: DataReport = {
      kind: 'medformer.data-report.v1',
      spec: this.spec,
      datasets: this.manifests.map(describe),
      groups: groups.map((group) => group.description()),
      similarity: {
        pixels: similarityOf(
          drawn.map(({ grid, ...image }) => ({ ...image, vector: standardised(grid) })),
          groups.length,
        ),
      },
      blankImages: this.images.filter(({ detail }) => !detail).length,
      duplicates: {
        exact: count('exact'),
        near: count('near'),
        listed: reported.sort(worstFirst).slice(0, LISTED),
      },
      sharedSubjects: this.sharedSubjects(),
      codeVersion,
    };
    return new SurveyedCohort(report, drawn);
  }

  private groupOf({ dataset, axes, record: { modality, bodyPart } }: Fingerprint): Group {
    const key = [axes, modality, bodyPart, dataset].join(' ');
    const group = this.groups.get(key) ?? new Group(key, { dataset, modality, bodyPart, axes }, this.spec);
    this.groups.set(key, group);
    return group;
  }

  private reported({ first, second, kind, distance, correlation }: DuplicatePair): ReportedPair {
    const imageAt = (at: number) => {
      const { dataset, record } = this.images[at]!;
      return { dataset, id: record.id, split: record.split };
    };
    const images: ReportedPair['images'] = [imageAt(first), imageAt(second)];
    return {
      kind,
      images,
      leaks: images[0].split !== images[1].split,
      hashDistance: distance,
      detailCorrelation: Math.round(correlation * 1e4) / 1e4,
    };
  }

  /** Within a data set only: pseudonyms of different installations may be equal by chance of naming. */
  private sharedSubjects(): DataReport['sharedSubjects'] {
    const seen = new Map<string, { dataset: number; subject: string; splits: Split[] }>();
    for (const { dataset, record } of this.images) {
      const key = `${dataset} ${record.subject}`;
      const known = seen.get(key) ?? { dataset, subject: record.subject, splits: [] };
      if (!known.splits.includes(record.split)) known.splits.push(record.split);
      seen.set(key, known);
    }
    return [...seen.values()].filter(({ splits }) => splits.length > 1);
  }
}

/** A report, and what embeddings can be added to it of. */
export class SurveyedCohort {
  constructor(
    readonly report: DataReport,
    private readonly drawn: readonly Omit<DrawnImage, 'grid'>[],
  ) {}

  /** Ids of the images whose embeddings the report can say more by, for each data set. */
  wanted(): Set<string>[] {
    const wanted = this.report.datasets.map(() => new Set<string>());
    for (const { dataset, id } of this.drawn) wanted[dataset]!.add(id);
    for (const { images } of this.report.duplicates.listed)
      for (const { dataset, id } of images) wanted[dataset]!.add(id);
    return wanted;
  }

  /** @param embeddings of the wanted images of each data set, `[width]` by id */
  withEmbeddings(embeddings: readonly ReadonlyMap<string, ArrayLike<number>>[]): DataReport {
    const keys = embeddings.flatMap((of, dataset) => [...of.keys()].map((id) => `${dataset} ${id}`));
    const vectors = centred(embeddings.flatMap((of) => [...of.values()]));
    const vectorOf = new Map(keys.map((key, at) => [key, vectors[at]!]));
    const at = ({ dataset, id }: { dataset: number; id: string }) => vectorOf.get(`${dataset} ${id}`);
    const { report } = this;
    const compared = this.drawn.flatMap((image) => {
      const vector = at(image);
      return vector ? [{ ...image, vector }] : [];
    });
    return {
      ...report,
      similarity: { ...report.similarity, embedding: similarityOf(compared, report.groups.length) },
      duplicates: {
        ...report.duplicates,
        listed: report.duplicates.listed.map((pair) => {
          const [first, second] = pair.images.map(at);
          const cosine = first && second && Math.round(product(first, second) * 1e4) / 1e4;
          return cosine === undefined ? pair : { ...pair, embeddingCosine: cosine };
        }),
      },
    };
  }
}

class Group {
  readonly drawn: Omit<DrawnImage, 'group'>[] = [];
  private images = 0;
  private readonly subjects = new Set<string>();
  private readonly rng: Rng;

  constructor(
    readonly key: string,
    private readonly of: Pick<DataReport['groups'][number], 'dataset' | 'modality' | 'bodyPart' | 'axes'>,
    private readonly spec: DataReportSpec,
  ) {
    this.rng = Rng.of(spec.seed, 'data report', key);
  }

  /** Reservoir sampling: every image is kept with equal probability, however many come. */
  add({ dataset, record }: Fingerprint, grid: Float32Array): void {
    this.images += 1;
    this.subjects.add(record.subject);
    const image = { dataset, id: record.id, subject: `${dataset} ${record.subject}`, grid };
    if (this.drawn.length < this.spec.imagesPerGroup) this.drawn.push(image);
    else {
      const at = this.rng.integer(this.images);
      if (at < this.drawn.length) this.drawn[at] = image;
    }
  }

  description(): DataReport['groups'][number] {
    return { ...this.of, images: this.images, subjects: this.subjects.size };
  }
}

function describe({ name, source, census, labelSpaces }: DatasetManifest): DataReport['datasets'][number] {
  return {
    name,
    synthetic: source.synthetic,
    images: census.images,
    subjects: census.subjects,
    shapes: census.shapes,
    balance: labelSpaces.map(({ task, kind, classes }) => ({
      task,
      kind,
      classes,
      images: census.labels[task] ?? {},
    })),
  };
}

function worstFirst(x: ReportedPair, y: ReportedPair): number {
  return Number(y.leaks) - Number(x.leaks) || y.detailCorrelation - x.detailCorrelation;
}
