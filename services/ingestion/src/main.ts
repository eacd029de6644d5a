import { serveMain } from '@medformer/rpc';
import { ingestion } from './stage.js';

await serveMain('ingestion', [ingestion]);
