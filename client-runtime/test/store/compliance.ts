// What every device store has to do, whatever it is made of. Nothing here needs Node: a browser runs the same cases.
import fc from "fast-check";
import type { DeviceStore } from "../../src/index.js";

/** One behaviour. `run` throws when the store does not have it. */
export interface StoreCase {
  readonly name: string;
  readonly run: () => Promise<void>;
}

const text = new TextEncoder();

function requireSame(came: unknown, expected: unknown): void {
  const shown = (value: unknown): string =>
    JSON.stringify(value instanceof Uint8Array ? [...value] : value) ?? "undefined";
  if (shown(came) !== shown(expected)) throw new Error(`expected ${shown(expected)}, came ${shown(came)}`);
}

async function requireRefusal(work: Promise<unknown>): Promise<void> {
  const cause = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  // By its shape: in a browser's bundle the store may come from another copy of the package.
  requireSame(typeof cause === "object" && cause !== null && "code" in cause ? cause.code : cause, "STORE_FAILED");
}

/**
 * The suite.
 *
 * @param open a store: the same contents each time for one `place`, where the store outlives its process
 * @param isDurable whether what was put is there after `close` and `open`
 */
export function storeCases(open: (place: string) => Promise<DeviceStore>, isDurable: boolean): StoreCase[] {
  const cases: StoreCase[] = [
    {
      name: "gives back what was put, and undefined for what was not",
      async run() {
        const store = await open("basic");
        requireSame(await store.get("a"), undefined);
        await store.put("a", Uint8Array.of(1, 2, 3));
        requireSame(await store.get("a"), Uint8Array.of(1, 2, 3));
        await store.put("a", new Uint8Array(0));
        requireSame(await store.get("a"), new Uint8Array(0));
        await store.delete("a");
        requireSame(await store.get("a"), undefined);
        await store.delete("a");
        await store.close();
      },
    },
    {
      name: "keeps its own copy",
      async run() {
        const store = await open("copies");
        const bytes = Uint8Array.of(9, 1, 9).subarray(1, 2);
        const put = store.put("a", bytes);
        await put;
        bytes[0] = 2;
        const first = await store.get("a");
        requireSame(first, Uint8Array.of(1));
        if (first !== undefined) first[0] = 3;
        requireSame(await store.get("a"), Uint8Array.of(1));
        await store.close();
      },
    },
    {
      name: "lists keys by prefix in order",
      async run() {
        const store = await open("keys");
        for (const key of ["b/2", "a", "b/10", "B/1", "b", "b/1/x"]) await store.put(key, text.encode(key));
        requireSame(await store.keys("b/"), ["b/1/x", "b/10", "b/2"]);
        requireSame(await store.keys(""), ["B/1", "a", "b", "b/1/x", "b/10", "b/2"]);
        requireSame(await store.keys("c"), []);
        await store.close();
      },
    },
    {
      name: "any text of up to 512 characters is a key of its own",
      async run() {
        const store = await open("any");
        const keys = fc.uniqueArray(
          fc.oneof(
            fc.string({ minLength: 1, maxLength: 20, unit: "binary" }),
            fc.constantFrom("..", ".", "/", "\\", "con", "A", "a", "é", "e\u0301", "\ud800", "\ud801", "x".repeat(512)),
            fc.string({ minLength: 40, maxLength: 400 }),
          ),
          { minLength: 1, maxLength: 20 },
        );
        await fc.assert(
          fc.asyncProperty(keys, async (names) => {
            for (const [i, key] of names.entries()) await store.put(key, Uint8Array.of(i));
            for (const [i, key] of names.entries()) {
              const value = await store.get(key);
              if (value?.length !== 1 || value[0] !== i) return false;
            }
            const listed = await store.keys("");
            for (const key of names) await store.delete(key);
            return listed.join("\u0000") === [...names].sort().join("\u0000");
          }),
          { seed: 20, numRuns: 30 },
        );
        requireSame(await store.keys(""), []);
        await store.close();
      },
    },
    {
      name: "of puts at the same time the last one stays",
      async run() {
        const store = await open("race");
        await Promise.all(
          Array.from({ length: 20 }, (_, i) => store.put("a", new Uint8Array(1 + (20 - i) * 100).fill(i))),
        );
        requireSame((await store.get("a"))?.[0], 19);
        await store.close();
      },
    },
    {
      name: "refuses an empty key, one that is too long, and work after it was closed",
      async run() {
        const store = await open("refusals");
        await requireRefusal(store.put("", Uint8Array.of(1)));
        await requireRefusal(store.put("x".repeat(513), Uint8Array.of(1)));
        await store.close();
        await requireRefusal(store.get("a"));
        await requireRefusal(store.put("a", Uint8Array.of(1)));
        await requireRefusal(store.keys(""));
      },
    },
  ];
  if (!isDurable) return cases;
  const durable: StoreCase = {
    name: "what was put is there for the next process",
    async run() {
      const first = await open("durable");
      await first.put("a", Uint8Array.of(7));
      await first.close();
      const second = await open("durable");
      requireSame(await second.get("a"), Uint8Array.of(7));
      await second.close();
    },
  };
  return [...cases, durable];
}
