import { augmentation } from '@medformer/augmentation';
import { encoder } from '@medformer/encoder';
import { evaluation } from '@medformer/evaluation';
import { ingestion } from '@medformer/ingestion';
import { trainer } from '@medformer/trainer';

/** Every stage, in the order of the data flow. */
export const stages = [ingestion, augmentation, trainer, evaluation, encoder];
