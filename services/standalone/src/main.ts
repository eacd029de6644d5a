import { serveMain } from '@medformer/rpc';
import { stages } from './index.js';

await serveMain('standalone', stages);
