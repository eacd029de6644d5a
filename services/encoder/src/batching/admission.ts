import { MedformerError } from '@medformer/schema';

export interface AdmissionLimits {
  /** Images that may wait for their batch, decoding included. */
  images: number;
  /** Bytes of images that wait or are computed. */
  bytes: number;
}

/** The place of one image; each of its two ends is given back once, however often it is called. */
export interface Place {
  /** Counts the image with its decoded size from here. @throws MedformerError RESOURCE_EXHAUSTED `bytes-full` */
  resize(bytes: number): void;
  /** The image waits no longer; its bytes stay. */
  begin(): void;
  /** The image is answered, in whatever way. */
  leave(): void;
}

/** Bounds what all models together hold in memory of images that are not yet answered. */
export class Admission {
  private images = 0;
  private bytes = 0;
  private readonly waitingForRoom = new Set<WaitingForRoom>();

  constructor(private readonly limits: AdmissionLimits) {}

  get waiting(): number {
    return this.images;
  }

  get pendingBytes(): number {
    return this.bytes;
  }

  /** @throws MedformerError RESOURCE_EXHAUSTED `queue-full` or `bytes-full` */
  enter(bytes: number): Place {
    if (this.images >= this.limits.images) {
      throw shed('queue-full', `${this.images} images wait already`);
    }
    this.take(bytes);
    this.images += 1;
    return this.place(bytes);
  }

  /** The same for callers that can wait, as a stream can: in the order they came, its messages stay with the sender meanwhile. */
  enterWhenRoom(bytes: number, signal: AbortSignal): Promise<Place> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const waiting: WaitingForRoom = {
        bytes,
        admit: () => {
          signal.removeEventListener('abort', abort);
          resolve(new Promise((entered) => entered(this.enter(bytes))));
        },
      };
      const abort = () => {
        this.waitingForRoom.delete(waiting);
        reject(signal.reason);
        this.admitWaiting();
      };
      this.waitingForRoom.add(waiting);
      signal.addEventListener('abort', abort, { once: true });
      this.admitWaiting();
    });
  }

  private place(admitted: number): Place {
    let bytes = admitted;
    let waits = true;
    let left = false;
    const place: Place = {
      resize: (next) => {
        if (left) return;
        this.bytes -= bytes;
        bytes = 0;
        this.take(next);
        bytes = next;
      },
      begin: () => {
        if (!waits) return;
        waits = false;
        this.images -= 1;
        this.admitWaiting();
      },
      leave: () => {
        if (left) return;
        left = true;
        place.begin();
        this.bytes -= bytes;
        this.admitWaiting();
      },
    };
    return place;
  }

  private take(bytes: number): void {
    if (this.bytes + bytes > this.limits.bytes) {
      const mebibytes = (count: number) => `${(count / 2 ** 20).toFixed(1)} MiB`;
      throw shed(
        'bytes-full',
        `${mebibytes(this.bytes)} of images wait, ${mebibytes(bytes)} more find no room`,
      );
    }
    this.bytes += bytes;
  }

  private admitWaiting(): void {
    for (const next of this.waitingForRoom) {
      if (!this.hasRoom(next.bytes)) return;
      this.waitingForRoom.delete(next);
      next.admit();
    }
  }

  /** An image that alone is more than all may take finds room when nothing else is there, to be refused. */
  private hasRoom(bytes: number): boolean {
    if (this.images >= this.limits.images) return false;
    return this.bytes === 0 || this.bytes + bytes <= this.limits.bytes;
  }
}

interface WaitingForRoom {
  bytes: number;
  admit(): void;
}

/** Why an image is not taken, as callers and metrics name it. */
export const SHED_REASONS = ['queue-full', 'bytes-full', 'deadline', 'displaced'] as const;
export type ShedReason = (typeof SHED_REASONS)[number];

/** A refusal under load: its message begins with the reason. */
export function shed(reason: ShedReason, found: string): ShedError {
  const limit = Error.stackTraceLimit;
  // Under overload there are thousands a second; where they come from is known, and writing it down costs the most.
  Error.stackTraceLimit = 0;
  try {
    return new ShedError(reason, found);
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** RESOURCE_EXHAUSTED for what another replica or a later call may take. */
export class ShedError extends MedformerError {
  constructor(
    readonly reason: ShedReason,
    found: string,
  ) {
    super('RESOURCE_EXHAUSTED', `${reason}: ${found}`);
  }
}
