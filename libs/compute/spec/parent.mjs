// A parent that starts a compute process, puts it to work and tells its pid, to be killed by the test.
import { startComputeProcess } from '@medformer/compute';

const child = startComputeProcess(new URL('./child.mjs', import.meta.url), { gracePeriodMs: 500 });
const [call, input] = JSON.parse(process.argv[2]);
child.call(call, input, { onProgress: () => console.log(child.pid) }).catch(() => undefined);
if (call === 'work') console.log(await child.call('pid', null));
setInterval(() => undefined, 1000);
