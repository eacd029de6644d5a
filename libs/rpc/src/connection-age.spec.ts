import { setTimeout as sleep } from 'node:timers/promises';
import { AugmentationServiceClient, type DrawViewsResponse } from '@medformer/gen/augmentation';
import { afterEach, describe, expect, it } from 'vitest';
import {
  connect,
  handlers,
  startTestService,
  stopTestServices,
  viewOf,
  viewsRequest,
} from '../spec/test-service.js';

afterEach(stopTestServices);

describe('a call on a connection that has reached its age', () => {
  it.each([
    ['the server pings its peers', { keepaliveTimeMs: 300 }, {}],
    ['the client pings the server', {}, { 'grpc.keepalive_time_ms': 300 }],
  ])('goes on until it is done where %s', async (_who, settings, channelOptions) => {
    handlers.drawViews = async function* () {
      for (let index = 0; index < 15; index += 1) {
        await sleep(100);
        yield viewOf(String(index));
      }
    };
    const { port } = await startTestService({ maxConnectionAgeMs: 200, ...settings });
    const client = connect(AugmentationServiceClient, port, channelOptions);
    const seen: string[] = [];
    for await (const response of client.drawViews(viewsRequest))
      seen.push((response as DrawViewsResponse).imageId);
    expect(seen).toEqual(Array.from({ length: 15 }, (_, index) => String(index)));
    client.close();
  });
});
