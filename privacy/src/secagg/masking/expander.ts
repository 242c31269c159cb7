import { SecAggError } from "../errors.js";
import { type MaskAccumulator, PIECE_COORDINATES, streamLength } from "./accumulator.js";

/** The mask generator: AES-256-CTR keystream from counter 0 (NIST SP 800-38A). A key makes one mask, once. */
export interface MaskExpander {
  /** @param key 32 bytes, read before the first piece is there and not kept */
  expand(key: Uint8Array): MaskStream;
}

/** The keystream of one key, taken piece by piece. */
export interface MaskStream {
  /** The next bytes; all pieces but the last are multiples of 16. */
  next(byteLength: number): Uint8Array | Promise<Uint8Array>;
  /** Takes a piece back that was used; its bytes are gone. */
  release?(piece: Uint8Array): void;
}

/** One mask to add or subtract. */
export interface SignedMask {
  /** 32 bytes; erased when the mask has been used. */
  readonly key: Uint8Array;
  readonly sign: 1 | -1;
}

/** Keystreams open at a time. More would save passes over the sum, but leave the processor's cache. */
const OPEN_STREAMS = 64;

/**
 * Adds masks to a sum, piece by piece, each piece of the sum meeting all open masks while it is in the cache. Erases
 * the keys.
 *
 * @throws SecAggError CANCELLED; the sum is then of no use
 */
export async function addMasks(
  sum: MaskAccumulator,
  masks: readonly SignedMask[],
  expander: MaskExpander,
  signal?: AbortSignal,
): Promise<void> {
  try {
    for (let from = 0; from < masks.length; from += OPEN_STREAMS) {
      await addOpenMasks(sum, masks.slice(from, from + OPEN_STREAMS), expander, signal);
    }
  } finally {
    for (const { key } of masks) key.fill(0);
  }
}

async function addOpenMasks(
  sum: MaskAccumulator,
  masks: readonly SignedMask[],
  expander: MaskExpander,
  signal: AbortSignal | undefined,
): Promise<void> {
  const open = masks.map(({ key, sign }) => ({ stream: expander.expand(key), sign }));
  for (let first = 0; first < sum.length; first += PIECE_COORDINATES) {
    requireNotCancelled(signal);
    const coordinates = Math.min(PIECE_COORDINATES, sum.length - first);
    const bytes = streamLength(coordinates, sum.bits);
    const pending: { readonly piece: Promise<Uint8Array>; readonly sign: 1 | -1 }[] = [];
    for (const { stream, sign } of open) {
      const piece = stream.next(bytes);
      // Platforms that answer later (WebCrypto) work on all pieces at once; others see one piece at a time.
      if (piece instanceof Uint8Array) {
        sum.addStream(first, piece, sign);
        stream.release?.(piece);
      } else pending.push({ piece, sign });
    }
    if (pending.length === 0) continue;
    const pieces = await Promise.all(pending.map(({ piece }) => piece));
    pieces.forEach((piece, i) => {
      sum.addStream(first, piece, pending[i]?.sign ?? 1);
    });
  }
}

/** Throws CANCELLED when the signal has fired. */
export function requireNotCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new SecAggError("CANCELLED", "The caller cancelled this step.", { cause: signal.reason });
  }
}
