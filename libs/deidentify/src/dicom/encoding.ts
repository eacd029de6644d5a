/** How a transfer syntax writes elements. */
export interface Encoding {
  explicit: boolean;
  littleEndian: boolean;
  deflated: boolean;
}

/** An element of the output; sequences come encoded as a value. */
export interface OutputElement {
  /** Eight upper-case hex digits. */
  tag: string;
  vr: string;
  value: Uint8Array;
  /** Pixel data of fragments, which carry their own delimiter. */
  undefinedLength?: boolean;
}

const LONG_VRS = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);
const UNDEFINED = 0xffffffff;
const ITEM = 'FFFEE000';

const OF_SYNTAX: Readonly<Record<string, Encoding>> = {
  '1.2.840.10008.1.2': { explicit: false, littleEndian: true, deflated: false },
  '1.2.840.10008.1.2.1.99': { explicit: true, littleEndian: true, deflated: true },
  '1.2.840.10008.1.2.2': { explicit: true, littleEndian: false, deflated: false },
};

/** PS3.5 annex A: all but three transfer syntaxes write explicit little-endian. */
export function encodingOf(transferSyntax: string): Encoding {
  return OF_SYNTAX[transferSyntax] ?? { explicit: true, littleEndian: true, deflated: false };
}

/** Elements in the order of their tags, PS3.5 section 7.1. Values of an odd length are padded. */
export function encodeElements(elements: readonly OutputElement[], encoding: Encoding): Uint8Array[] {
  const sorted = [...elements].sort((x, y) => (x.tag < y.tag ? -1 : 1));
  return sorted.flatMap(({ tag, vr, value, undefinedLength }) => {
    const padded = value.length % 2 === 0 ? value : padOne(value, vr);
    const header = encodeHeader(tag, vr, undefinedLength ? UNDEFINED : padded.length, encoding);
    return padded.length > 0 ? [header, padded] : [header];
  });
}

/** The value of a sequence: items of defined length. */
export function encodeItems(items: readonly Uint8Array[][], encoding: Encoding): Buffer {
  return Buffer.concat(
    items.flatMap((chunks) => {
      const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
      return [encodeHeader(ITEM, 'SQ', length, { ...encoding, explicit: false }), ...chunks];
    }),
  );
}

function padOne(value: Uint8Array, vr: string): Buffer {
  const binary = vr === 'UI' || vr.startsWith('O') || vr === 'UN';
  return Buffer.concat([value, Buffer.from(binary ? '\0' : ' ')]);
}

function encodeHeader(tag: string, vr: string, length: number, { explicit, littleEndian }: Encoding): Buffer {
  const long = !explicit || LONG_VRS.has(vr);
  const header = Buffer.alloc(explicit && long ? 12 : 8);
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  view.setUint16(0, Number.parseInt(tag.slice(0, 4), 16), littleEndian);
  view.setUint16(2, Number.parseInt(tag.slice(4), 16), littleEndian);
  if (explicit) header.write(vr, 4, 'latin1');
  if (!explicit) view.setUint32(4, length, littleEndian);
  else if (long) view.setUint32(8, length, littleEndian);
  else view.setUint16(6, length, littleEndian);
  return header;
}
