export { encoder } from './stage.js';
