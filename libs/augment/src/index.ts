export { applyView } from './apply-view.js';
export { drawView, type ViewParameters } from './draw-view.js';
export { type ImagePixels, pixelScale } from './image-pixels.js';
export { VIEW_POLICIES } from './view-policy.js';
