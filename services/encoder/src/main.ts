import { serveMain } from '@medformer/rpc';
import { encoder } from './stage.js';

await serveMain('encoder', [encoder]);
