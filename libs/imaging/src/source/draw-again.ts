import { MedformerError } from '@medformer/schema';

/**
 * Bad files were all that a drawn split had. Reading the source's images again draws the split among the others; what
 * was read before counts for nothing.
 */
export class DrawAgain extends MedformerError {
  constructor() {
    super('INVALID_ARGUMENT', 'files: bad ones were all that a drawn split had: draw it among the others');
  }
}
