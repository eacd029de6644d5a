import sharp from 'sharp';

/** `[height, width, 1 or 3]` pixels over [0, 1] as an 8-bit PNG; uint16 keeps its upper byte. */
export async function encodePng(image: {
  shape: readonly number[];
  pixels: Uint8Array | Uint16Array;
}): Promise<Buffer> {
  const [height, width, channels] = image.shape;
  if (image.shape.length !== 3 || (channels !== 1 && channels !== 3)) {
    throw new RangeError(`expected [height, width, 1 or 3], found [${image.shape.join(', ')}]`);
  }
  const { pixels } = image;
  const bytes = pixels instanceof Uint16Array ? Uint8Array.from(pixels, (value) => value >> 8) : pixels;
  return sharp(bytes, { raw: { height: height!, width: width!, channels } })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .png()
    .toBuffer();
}
