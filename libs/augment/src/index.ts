export { applyView, type ImagePixels, pixelScale } from './apply-view.js';
export { drawView, type ViewParameters } from './draw-view.js';
export { VIEW_POLICIES } from './view-policy.js';
