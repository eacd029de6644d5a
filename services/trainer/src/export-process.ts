import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { loadCheckpoint } from '@medformer/checkpoint';
import { serveCompute } from '@medformer/compute';
import { exportCheckpoint } from '@medformer/export';
import { openObjectStore } from '@medformer/object-store';
import { sha256 } from '@medformer/schema';
import { useBackend } from '@medformer/tensorflow';
import type { ExportCalls } from './export-calls.js';

serveCompute<ExportCalls>({
  async export({ store: storeConfig, checkpoint, request, folder, threads }) {
    const store = await openObjectStore(storeConfig);
    const { record, weights } = await loadCheckpoint(store, checkpoint);
    if (request.format !== 'safetensors') await useBackend(threads ? { threads } : {});
    const files = exportCheckpoint({ checkpoint, record, weights }, request);
    return Promise.all(
      files.map(async ({ path, content }) => {
        const file = join(folder, path);
        await mkdir(dirname(file), { recursive: true });
        await writeFile(file, content);
        return { path, bytes: content.length, sha256: sha256(content) };
      }),
    );
  },
});
