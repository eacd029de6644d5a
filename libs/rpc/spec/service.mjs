// A whole service as its own process, to be signalled and killed by the tests.
import { setTimeout as sleep } from 'node:timers/promises';
import { EncoderServiceService } from '@medformer/gen/encoder';
import { defineStage, RpcController, serveMain } from '@medformer/rpc';
import { Controller } from '@nestjs/common';

class SlowEncoder {
  async encode(request, call) {
    process.stderr.write('encoding\n');
    await sleep(Number(request.modality), undefined, { signal: call.signal });
    return { embedding: [1], lineage: undefined, timing: undefined, notes: [] };
  }
}
RpcController({ encode: EncoderServiceService.encode })(SlowEncoder);
Controller()(SlowEncoder);

class SlowModule {}

const stage = defineStage({
  name: 'encoder',
  defaultPort: 0,
  definitions: [EncoderServiceService],
  config: {},
  module: () => ({ module: SlowModule, controllers: [SlowEncoder] }),
});

await serveMain('slow-encoder', [stage]);
