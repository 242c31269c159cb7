// What a browser has of its own: keys, and what it tells of its device.
import type { DeviceConditions } from "@fedloop/client-runtime";
import {
  browserConditions,
  browserSigner,
  deleteBrowserSigner,
  type PlainEd25519,
} from "@fedloop/client-runtime/browser";
import { webCryptoVerifier } from "@fedloop/consent";
import { ed25519 } from "@noble/curves/ed25519.js";

const MESSAGE = new TextEncoder().encode("message");
const plain: PlainEd25519 = {
  publicKey: (secret) => ed25519.getPublicKey(secret),
  sign: (message, secret) => ed25519.sign(message, secret),
};

/** A browser whose WebCrypto lacks Ed25519. */
const generate = (): Promise<never> => Promise.reject(new DOMException("unrecognised name", "NotSupportedError"));

async function codeOf(work: Promise<unknown>): Promise<string> {
  const cause: unknown = await work.then(
    () => "resolved",
    (cause: unknown) => cause,
  );
  return typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : String(cause);
}

/** What is wrong with the keys of this browser; empty when nothing is. */
export async function keyFailures(): Promise<string[]> {
  const failures: string[] = [];
  const expect = (holds: boolean, what: string): void => {
    if (!holds) failures.push(what);
  };
  const verifier = webCryptoVerifier();
  for (const [name, options] of [
    ["native", {}],
    ["sealed", { generate, fallback: plain }],
  ] as const) {
    const [first, twin] = await Promise.all([browserSigner(name, options), browserSigner(name, options)]);
    const again = await browserSigner(name, options);
    expect(String(first.publicKey) === String(twin.publicKey), `${name}: two that make it at once have one key`);
    expect(String(first.publicKey) === String(again.publicKey), `${name}: the key is there again`);
    expect(await verifier.verify(first.publicKey, MESSAGE, await again.sign(MESSAGE)), `${name}: it signs`);
    await deleteBrowserSigner(name);
    const fresh = await browserSigner(name, options);
    expect(String(first.publicKey) !== String(fresh.publicKey), `${name}: a deleted key is gone`);
  }
  expect((await codeOf(browserSigner("none", { generate }))) === "NO_CRYPTO", "without either there is no key");
  expect((await codeOf(browserSigner("sealed", { generate }))) === "NO_CRYPTO", "a sealed key needs its fallback");
  const request = indexedDB.open("sealed-key");
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const kept = database.transaction("keys").objectStore("keys").get("ed25519");
  const record = await new Promise<{ sealed: Uint8Array; sealingKey: CryptoKey }>((resolve) => {
    kept.onsuccess = () => resolve(kept.result);
  });
  database.close();
  const read = await codeOf(crypto.subtle.exportKey("raw", record.sealingKey));
  expect(read !== "resolved", "the sealing key cannot be read");
  return failures;
}

/** Follows what the browser tells. @returns what was told so far, the newest last */
export function followConditions(inUseMs: number): DeviceConditions[] {
  const conditions = browserConditions({ inUseMs });
  const told = [conditions.current()];
  conditions.listen(() => told.push(conditions.current()));
  return told;
}
