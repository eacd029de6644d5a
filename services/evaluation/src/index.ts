export { evaluation } from './stage.js';
