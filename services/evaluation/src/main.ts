import { serveMain } from '@medformer/rpc';
import { evaluation } from './index.js';

await serveMain('evaluation', [evaluation]);
