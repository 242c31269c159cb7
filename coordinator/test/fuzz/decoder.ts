import type { Test } from "tap";
import { type Draw, drawsOf } from "./mutation.js";

/** A decoder and what it is tried with. */
export interface Fuzzed {
  readonly name: string;
  /** Inputs of a long run; a short one takes a hundredth, at least twenty. */
  readonly inputs: number;
  /** An input made from the seed corpus by the draw. */
  readonly make: (draw: Draw) => unknown;
  /**
   * Decodes an input, and where it is taken checks that writing it again gives the same.
   *
   * @throws `Broken` when it does not; whatever the decoder throws
   */
  readonly decode: (input: never) => unknown;
  /** Whether what was thrown is the refusal that the decoder is documented to give. */
  readonly isRefusal: (cause: unknown) => boolean;
  /** Inputs of the seed corpus that must be taken, so that a decoder that refuses all is found out. */
  readonly valid: readonly unknown[];
}

/** What was decoded does not come out again. */
export class Broken extends Error {}

/** One input of at most 64 KiB may take this long of the processor: far above what any takes, far below what would hurt. */
const LONGEST_CPU_MS = 3_000;
/** Wall time from which it is looked at what the processor did; other processes may have had it. */
const SLOW_MS = 200;
/** Memory that one decoder's inputs, all of them, may leave behind or hold at once. */
const MOST_BYTES = 512 << 20;

/** Runs a decoder over its inputs. @returns how many it took, and how many it refused */
export async function fuzz(
  t: Test,
  { name, make, decode, isRefusal, valid }: Fuzzed,
  inputs: number,
  seed: number,
): Promise<{ readonly taken: number; readonly refused: number }> {
  for (const [index, input] of valid.entries()) {
    await Promise.resolve(decode(input as never)).catch((cause: unknown) => {
      throw new Error(`${name}: seed ${index} is not taken`, { cause });
    });
  }
  const memoryBefore = held();
  const counts = { taken: 0, refused: 0 };
  for (let number = 0; number < inputs; number++) {
    const input = make(drawsOf(seed * 1_000_003 + number));
    const started = performance.now();
    const cpu = process.cpuUsage();
    try {
      const outcome = decode(input as never);
      if (outcome instanceof Promise) await outcome;
      counts.taken += 1;
    } catch (cause) {
      if (cause instanceof Broken || !isRefusal(cause)) {
        t.fail(`${name}: input ${number} of seed ${seed}`, {
          cause: String(cause),
          stack: stackOf(cause),
          input: shown(input),
        });
        return counts;
      }
      counts.refused += 1;
    }
    if (performance.now() - started > SLOW_MS) {
      const { user, system } = process.cpuUsage(cpu);
      if ((user + system) / 1_000 > LONGEST_CPU_MS)
        t.fail(`${name}: input ${number} of seed ${seed} takes too long`, { input: shown(input) });
    }
    if (number % 4_096 === 0 && held() - memoryBefore > MOST_BYTES) {
      t.fail(`${name}: ${held() - memoryBefore} bytes are held after input ${number} of seed ${seed}`);
      return counts;
    }
  }
  return counts;
}

function held(): number {
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

function stackOf(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? "") : "";
}

function shown(input: unknown): string {
  return input instanceof Uint8Array
    ? Buffer.from(input).toString("base64").slice(0, 4_000)
    : String(input).slice(0, 4_000);
}
