// The suite of stores in a real browser.
import { ClientError, memoryStore, sealedStore } from "@fedloop/client-runtime";
import { indexedDbStore } from "@fedloop/client-runtime/browser";
import { storeCases } from "../../../../client-runtime/test/store/compliance.js";

/** A page that was frozen: nothing renews the lease that is taken meanwhile. */
async function frozen<T>(work: () => Promise<T>): Promise<T> {
  const { setInterval } = globalThis;
  Object.assign(globalThis, { setInterval: () => 0 });
  try {
    return await work();
  } finally {
    Object.assign(globalThis, { setInterval });
  }
}

async function refusal(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => "none",
    (cause: unknown) => (cause instanceof ClientError ? cause.code : cause),
  );
}

/** Two tabs by leases, of which the first was frozen while its lease ran out. */
async function afterFreezing(): Promise<void> {
  const taking = { locks: null, waitMs: Number.POSITIVE_INFINITY, leaseMs: 90 };
  const former = indexedDbStore("leased", taking);
  await frozen(() => former.put("a", Uint8Array.of(1)));
  await former.put("a", Uint8Array.of(2));
  const next = indexedDbStore("leased", taking);
  await next.put("b", Uint8Array.of(3));
  const refused = [await refusal(former.put("a", Uint8Array.of(4))), await refusal(former.delete("b"))];
  await former.close();
  await next.put("b", Uint8Array.of(5));
  const kept = [(await next.get("a"))?.[0], (await next.get("b"))?.[0], ...(await next.keys(""))];
  await next.close();
  const came = JSON.stringify([refused, kept]);
  const due = JSON.stringify([
    ["STORE_BUSY", "STORE_BUSY"],
    [2, 5, "a", "b"],
  ]);
  if (came !== due) throw new Error(`expected ${due}, came ${came}`);
}

/** Runs all cases. @returns what failed */
export async function storeFailures(): Promise<string[]> {
  const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  const suites = {
    memory: storeCases(async () => memoryStore(), false),
    indexedDB: storeCases(async (place) => indexedDbStore(`plain-${place}`), true),
    lease: [{ name: "a tab that was frozen writes nothing once another one has its store", run: afterFreezing }],
    "indexedDB by a lease": storeCases(async (place) => indexedDbStore(`leased-${place}`, { locks: null }), true),
    "sealed indexedDB": storeCases(async (place) => sealedStore(indexedDbStore(`sealed-${place}`), key), true),
  };
  const failures: string[] = [];
  let ran = 0;
  for (const [name, cases] of Object.entries(suites)) {
    for (const { name: behaviour, run } of cases) {
      ran += 1;
      await run().catch((cause: unknown) => failures.push(`${name}: ${behaviour}: ${String(cause)}`));
    }
  }
  return ran < 20 ? [`only ${ran} cases ran`] : failures;
}
