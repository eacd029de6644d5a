// A compute process whose thread is never free.
import { serveCompute } from '@medformer/compute';

serveCompute({
  burn({ ms }, { progress }) {
    progress('started');
    for (const end = Date.now() + ms; Date.now() < end; );
    return ms;
  },
});
