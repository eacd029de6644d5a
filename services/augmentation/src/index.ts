export { augmentation } from './stage.js';
