/** One attribute: group and element as 8 hex digits, value representation, value; a sequence has items. */
export type Attribute = [tag: string, vr: string, value: string | number | Uint8Array | Attribute[][]];

const LONG = ['OB', 'OW', 'SQ', 'UN', 'UT'];

/** A Part 10 file in Explicit VR Little Endian of 16-bit pixels, for specs. */
export function dicomFile(
  attributes: Attribute[],
  pixels: Uint16Array,
  [rows, columns]: [number, number],
): Buffer {
  const common: Attribute[] = [
    ['00280002', 'US', 1],
    ['00280004', 'CS', 'MONOCHROME2'],
    ['00280010', 'US', rows],
    ['00280011', 'US', columns],
    ['00280100', 'US', 16],
    ['00280101', 'US', 16],
    ['00280102', 'US', 15],
    ['00280103', 'US', 0],
    ['7fe00010', 'OW', new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength)],
  ];
  return dicomObject([...attributes, ...common]);
}

export function dicomObject(attributes: Attribute[], sopClass = '1.2.840.10008.5.1.4.1.1.2'): Buffer {
  const meta = encode([
    ['00020002', 'UI', sopClass],
    ['00020003', 'UI', '2.25.1'],
    ['00020010', 'UI', '1.2.840.10008.1.2.1'],
  ]);
  const length = encode([['00020000', 'UL', meta.length]]);
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), length, meta, encode(attributes)]);
}

function encode(attributes: Attribute[]): Buffer {
  const sorted = [...attributes].sort(([x], [y]) => (x < y ? -1 : 1));
  return Buffer.concat(
    sorted.map(([tag, vr, value]) => {
      const bytes = valueBytes(vr, value);
      const head = Buffer.alloc(LONG.includes(vr) ? 12 : 8);
      head.writeUInt16LE(Number.parseInt(tag.slice(0, 4), 16), 0);
      head.writeUInt16LE(Number.parseInt(tag.slice(4), 16), 2);
      head.write(vr, 4, 'latin1');
      if (LONG.includes(vr)) head.writeUInt32LE(bytes.length, 8);
      else head.writeUInt16LE(bytes.length, 6);
      return Buffer.concat([head, bytes]);
    }),
  );
}

function valueBytes(vr: string, value: Attribute[2]): Buffer {
  if (Array.isArray(value)) {
    return Buffer.concat(
      value.map((item) => {
        const bytes = encode(item);
        const head = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0]);
        head.writeUInt32LE(bytes.length, 4);
        return Buffer.concat([head, bytes]);
      }),
    );
  }
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(vr === 'UL' ? 4 : 2);
    if (vr === 'UL') bytes.writeUInt32LE(value);
    else bytes.writeUInt16LE(value & 0xffff);
    return bytes;
  }
  const bytes = Buffer.from(value as string);
  const padding = vr === 'UI' ? '\0' : ' ';
  return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.from(padding)]);
}
