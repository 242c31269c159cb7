// The suite of stores in a real browser.
import { memoryStore, sealedStore } from "@fedloop/client-runtime";
import { indexedDbStore } from "@fedloop/client-runtime/browser";
import { storeCases } from "../../../../client-runtime/test/store/compliance.js";

/** Runs all cases. @returns what failed */
export async function storeFailures(): Promise<string[]> {
  const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  const suites = {
    memory: storeCases(async () => memoryStore(), false),
    indexedDB: storeCases(async (place) => indexedDbStore(`plain-${place}`), true),
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
