import type {
  InferParameter,
  InferTensorContents,
  ModelInferRequest_InferInputTensor as InputTensor,
  ModelInferRequest,
} from '@medformer/gen/inference';
import { badInput, ImageShape, parseRecord } from '@medformer/schema';
import type { ImageRequest } from '../image-encoder.js';
import { pixelsView } from '../request-images.js';

/** Images as numbers, `[batch, height, width, channels]` or `[batch, depth, height, width, channels]`. */
export const IMAGE_INPUT = 'image';
/** Encoded files, `[batch]`. */
export const FILE_INPUT = 'file';

const NUMBERS = {
  UINT8: { type: 'uint8', bytes: 1, contents: 'uintContents', most: 255 },
  UINT16: { type: 'uint16', bytes: 2, contents: 'uintContents', most: 65_535 },
  FP32: { type: 'float32', bytes: 4, contents: 'fp32Contents', most: Number.POSITIVE_INFINITY },
} as const;
type Datatype = keyof typeof NUMBERS;

type Parameters = Record<string, InferParameter>;

/**
 * The images of a request: one input, `image` of numbers or `file` of encoded files; parameters of the input go before
 * those of the request.
 * @throws MedformerError INVALID_ARGUMENT naming what was expected
 */
export function imagesOf(request: ModelInferRequest): Omit<ImageRequest, 'model'>[] {
  const [input, ...others] = request.inputs;
  if (!input || others.length > 0) {
    throw refusal('inputs', 'one input', `${request.inputs.length}`);
  }
  const parameters = { ...request.parameters, ...input.parameters };
  const raw = rawContentsOf(request, input);
  const images = input.name === FILE_INPUT ? filesOf(input, raw, parameters) : numbersOf(input, raw);
  const codes = { modality: textOf(parameters, 'modality'), bodyPart: textOf(parameters, 'body_part') };
  return images.map((image) => ({ image, ...codes }));
}

/** A parameter that is a whole number, e.g. `priority`. */
export function numberOf(parameters: Parameters, name: string): number | undefined {
  const choice = parameters[name]?.parameterChoice;
  if (choice === undefined) return undefined;
  if (choice.$case === 'int64Param' || choice.$case === 'uint64Param') return Number(choice.value);
  throw refusal(`parameters.${name}`, 'a whole number', choice.$case);
}

function textOf(parameters: Parameters, name: string): string {
  const choice = parameters[name]?.parameterChoice;
  if (choice === undefined) return '';
  if (choice.$case === 'stringParam') return choice.value;
  throw refusal(`parameters.${name}`, 'a string', choice.$case);
}

/** The raw bytes of the input; undefined where its typed contents count. */
function rawContentsOf(request: ModelInferRequest, input: InputTensor): Buffer | undefined {
  const { rawInputContents: raw } = request;
  if (raw.length === 0) return undefined;
  const typed = input.contents && Object.values(input.contents).some((values) => values.length > 0);
  if (typed) throw refusal('raw_input_contents', 'raw or typed contents', 'both');
  if (raw.length !== 1) throw refusal('raw_input_contents', 'one content for the one input', `${raw.length}`);
  return raw[0];
}

function numbersOf(input: InputTensor, raw: Buffer | undefined): ImageRequest['image'][] {
  if (input.name !== IMAGE_INPUT)
    throw refusal('inputs.name', `${IMAGE_INPUT} or ${FILE_INPUT}`, 'another name');
  const datatype = input.datatype as Datatype;
  if (!Object.hasOwn(NUMBERS, datatype)) {
    throw refusal('inputs.datatype', Object.keys(NUMBERS).join(', '), 'another datatype');
  }
  const [batch = 0, ...shape] = shapeOf(input);
  if (batch < 1) throw refusal('inputs.shape', 'a batch of at least one image', `[${input.shape}]`);
  parseRecord(ImageShape, shape, 'inputs.shape after the batch');
  const length = shape.reduce((product, edge) => product * edge, 1);
  const bytes = raw ?? typedBytes(datatype, input.contents, batch * length);
  const expected = batch * length * NUMBERS[datatype].bytes;
  if (bytes.length !== expected) {
    throw refusal('raw_input_contents', `${expected} bytes for [${input.shape}]`, `${bytes.length} bytes`);
  }
  const all = pixelsView(NUMBERS[datatype].type, bytes);
  return Array.from({ length: batch }, (_, at) => ({
    kind: 'pixels',
    shape,
    pixels: all.subarray(at * length, (at + 1) * length),
  }));
}

function typedBytes(
  datatype: Datatype,
  contents: InferTensorContents | undefined,
  expected: number,
): Uint8Array {
  const { contents: field, most, type } = NUMBERS[datatype];
  const values = contents?.[field] ?? [];
  if (values.length !== expected) {
    throw refusal('inputs.contents', `${expected} values in ${field}`, `${values.length}`);
  }
  const beyond = values.findIndex((value) => value > most);
  if (beyond >= 0) throw refusal('inputs.contents', `values of ${datatype}`, `a larger one at ${beyond}`);
  const { buffer } =
    type === 'float32'
      ? Float32Array.from(values)
      : type === 'uint16'
        ? Uint16Array.from(values)
        : Uint8Array.from(values);
  return new Uint8Array(buffer);
}

function filesOf(
  input: InputTensor,
  raw: Buffer | undefined,
  parameters: Parameters,
): ImageRequest['image'][] {
  if (input.datatype !== 'BYTES') throw refusal('inputs.datatype', 'BYTES', 'another datatype');
  const files = raw ? rawElements(raw) : (input.contents?.bytesContents ?? []);
  const expected = shapeOf(input).reduce((product, edge) => product * edge, 1);
  if (files.length === 0 || files.length !== expected) {
    throw refusal(
      'inputs.shape',
      'as many files as contents, at least one',
      `[${input.shape}] and ${files.length}`,
    );
  }
  const named = textOf(parameters, 'file_name');
  return files.map((content) => ({
    kind: 'file',
    file: { name: named || fileNameOf(content), content },
  }));
}

/** Elements of BYTES in raw form: each after its length, little-endian in four bytes. */
function rawElements(raw: Buffer): Uint8Array[] {
  const elements: Uint8Array[] = [];
  for (let at = 0; at < raw.length; ) {
    const length = raw.length - at >= 4 ? raw.readUInt32LE(at) : Number.POSITIVE_INFINITY;
    at += 4;
    if (length > raw.length - at)
      throw refusal('raw_input_contents', 'elements after their lengths', 'less bytes');
    elements.push(raw.subarray(at, at + length));
    at += length;
  }
  return elements;
}

/** A name for the decoder by what the file begins with. */
function fileNameOf(content: Uint8Array): string {
  const begins = (...bytes: number[]) => bytes.every((byte, at) => content[at] === byte);
  if (begins(0x89, 0x50, 0x4e, 0x47)) return 'image.png';
  if (begins(0xff, 0xd8, 0xff)) return 'image.jpg';
  if (begins(0x1f, 0x8b)) return 'image.nii.gz';
  if (Buffer.from(content.subarray(128, 132)).toString('latin1') === 'DICM') return 'image.dcm';
  return 'image.nii';
}

function shapeOf({ shape }: InputTensor): number[] {
  const edges = shape.map(Number);
  if (edges.length > 0 && edges.every((edge) => edge >= 0 && edge < 2 ** 31)) return edges;
  throw refusal('inputs.shape', 'edges below 2^31', `[${shape}]`);
}

function refusal(field: string, expected: string, found: string) {
  return badInput({ file: 'request', field, expected, found });
}
