// A small real service on real ports, for specs that look at it from outside.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';
import {
  AugmentationServiceService,
  type DrawViewsRequest,
  type DrawViewsResponse,
} from '@medformer/gen/augmentation';
import { type EncodeRequest, EncoderServiceService } from '@medformer/gen/encoder';
import { createLogger } from '@medformer/telemetry';
import { Controller } from '@nestjs/common';
import { baseConfig } from '../src/base-config.js';
import type { CallContext } from '../src/call-context.js';
import { RpcController } from '../src/rpc-controller.js';
import { type RunningService, runService } from '../src/run-service.js';
import { defineStage } from '../src/stage.js';

/** What the handlers do; a spec replaces them. */
export const handlers = {
  encode: async (_request: EncodeRequest, _call: CallContext): Promise<number[]> => [1],
  drawViews: (_request: DrawViewsRequest, _call: CallContext): AsyncIterable<DrawViewsResponse> => {
    throw new Error('no views');
  },
};

const { encode, getModel, loadModel } = EncoderServiceService;

@Controller()
@RpcController({ encode, getModel, loadModel })
class EncoderController {
  async encode(request: EncodeRequest, call: CallContext) {
    return {
      embedding: await handlers.encode(request, call),
      lineage: undefined,
      timing: undefined,
      notes: [],
    };
  }
  getModel() {
    return { model: undefined };
  }
  loadModel() {
    return { model: undefined };
  }
}

@Controller()
@RpcController({ drawViews: AugmentationServiceService.drawViews })
class AugmentationController {
  drawViews(request: DrawViewsRequest, call: CallContext) {
    return handlers.drawViews(request, call);
  }
}

class TestModule {}

const stage = defineStage({
  name: 'test',
  defaultPort: 0,
  definitions: [EncoderServiceService, AugmentationServiceService],
  config: {},
  module: () => ({ module: TestModule, controllers: [EncoderController, AugmentationController] }),
});

export interface TestService extends RunningService {
  /** What it logged, as records. */
  logged: Record<string, unknown>[];
}

const running: (() => Promise<void>)[] = [];

/** Runs the service on free ports with the defaults, except for `settings`. */
export async function startTestService(settings: Record<string, unknown> = {}): Promise<TestService> {
  const data = await mkdtemp(join(tmpdir(), 'medformer-rpc-'));
  const config = baseConfig.parse({ data, port: 0, metricsPort: 0, probePort: 0, ...settings });
  const logged: Record<string, unknown>[] = [];
  const logger = createLogger('test', {
    level: 'info',
    destination: { write: (line: string) => void logged.push(JSON.parse(line)) },
  });
  const service = await runService('test', [stage], config, { logger });
  running.push(async () => {
    await service.close();
    await rm(data, { recursive: true });
  });
  return { ...service, logged };
}

/** Closes every service that a test started. */
export async function stopTestServices(): Promise<void> {
  await Promise.all(running.splice(0).map((stop) => stop()));
}

export const encodeRequest: EncodeRequest = {
  image: undefined,
  modality: 'ct',
  bodyPart: 'chest',
  model: '',
  priority: 0,
};

export const viewsRequest: DrawViewsRequest = {
  dataset: 'x',
  method: 'simclr',
  seed: 0n,
  imageIds: [],
  images: 0,
  viewsPerImage: 0,
  dimensions: 0,
};

export const viewOf = (imageId: string, bytes = 0): DrawViewsResponse => ({
  imageId,
  modality: '',
  bodyPart: '',
  image: { dataType: 1, shape: [], data: Buffer.alloc(bytes) },
  views: [],
});

export function connect<Client>(
  Type: new (address: string, channel: ChannelCredentials, options?: ChannelOptions) => Client,
  port: number,
  options: ChannelOptions & { channel?: ChannelCredentials } = {},
): Client {
  const { channel = credentials.createInsecure(), ...rest } = options;
  return new Type(`localhost:${port}`, channel, rest);
}
