import { serveMain } from '@medformer/rpc';
import { trainer } from './stage.js';

await serveMain('trainer', [trainer]);
