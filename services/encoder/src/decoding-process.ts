import { serveCompute } from '@medformer/compute';
import { readImageFile } from '@medformer/imaging';
import { badInput } from '@medformer/schema';
import type { DecodingCalls } from './encoding-calls.js';

serveCompute<DecodingCalls>({
  async decode({ file, modality, maxPixels }) {
    const image = await readImageFile(file.content, file.name, modality);
    if (image.pixels.length > maxPixels) {
      throw badInput({
        file: file.name,
        field: 'shape',
        expected: `at most ${maxPixels} values`,
        found: `[${image.shape}]`,
      });
    }
    return image;
  },
  ping: () => null,
});
