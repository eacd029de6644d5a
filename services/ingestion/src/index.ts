export { ingestion } from './stage.js';
