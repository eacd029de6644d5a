import { serveMain } from '@medformer/rpc';
import { augmentation } from './stage.js';

await serveMain('augmentation', [augmentation]);
