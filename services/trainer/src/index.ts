export { trainer } from './stage.js';
