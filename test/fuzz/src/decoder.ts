import type { Test } from "tap";
import { Broken, type Fuzzed } from "./corpus.js";
import { drawsOf } from "./mutation.js";

/** One input of at most 64 KiB may take this long of the processor: far above what any takes, far below what would hurt. */
const LONGEST_CPU_MS = 3_000;
/** Wall time from which it is looked at what the processor did; other processes may have had it. */
const SLOW_MS = 200;
/** A short run takes one input of so many. */
const SHORT_PART = 400;
const LEAST_INPUTS = 20;
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
    try {
      await decode(input as never);
    } catch (cause) {
      throw new Error(`${name}: seed ${index} is not taken`, { cause });
    }
  }
  const memoryBefore = held();
  const prototypesBefore = prototypes();
  const counts = { taken: 0, refused: 0 };
  for (let number = 0; number < inputs; number++) {
    const input = make(drawsOf(seed * 1_000_003 + number));
    const started = performance.now();
    const cpu = process.cpuUsage();
    try {
      const outcome = decode(input as never);
      requirePlain(outcome instanceof Promise ? await outcome : outcome);
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
    if (prototypes() !== prototypesBefore) {
      t.fail(`${name}: input ${number} of seed ${seed} changes what all objects have`, { input: shown(input) });
      return counts;
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

/** Runs a table of decoders: a part of their inputs, or all. @returns how many inputs there were */
export async function runTable(t: Test, table: readonly Fuzzed[], run: "short" | "long"): Promise<number> {
  let total = 0;
  for (const decoder of table) {
    const inputs = run === "long" ? decoder.inputs : Math.max(Math.floor(decoder.inputs / SHORT_PART), LEAST_INPUTS);
    const started = process.cpuUsage();
    const { taken, refused } = await fuzz(t, decoder, inputs, run === "long" ? 2 : 1);
    const { user } = process.cpuUsage(started);
    total += taken + refused;
    const isRefusing = refused > 0 || run === "short" || decoder.neverRefuses === true;
    t.ok(
      taken + refused === inputs && isRefusing,
      `${decoder.name}: ${taken} taken, ${refused} refused, ${Math.round(user / 1_000)} ms`,
    );
  }
  return total;
}

const DEEPEST = 8;

/** A decoded object whose prototype came out of the input has members that nobody has checked. */
function requirePlain(value: unknown, depth = 0): void {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || depth > DEEPEST) return;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (typeof prototype === "object" && prototype !== null && !Object.hasOwn(prototype, "constructor"))
    throw new Broken("the input has given an object its prototype");
  const members = value instanceof Map ? [...value.values()] : Object.values(value);
  for (const member of members) requirePlain(member, depth + 1);
}

/** What a key such as `__proto__` would reach. */
function prototypes(): number {
  return (
    Reflect.ownKeys(Object.prototype).length +
    Reflect.ownKeys(Array.prototype).length +
    Reflect.ownKeys(Function.prototype).length
  );
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
    : (typeof input === "object" ? JSON.stringify(input) : String(input)).slice(0, 4_000);
}
