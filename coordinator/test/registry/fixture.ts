import { createHash, randomBytes } from "node:crypto";
import { generateNodeSigner, type NodeSigner, nodeVerifier } from "@fedloop/consent/node";
import type { Test } from "tap";
import { type Enrolment, type EnrolmentPolicy, Registry } from "../../src/registry/registry.js";
import type { Store } from "../../src/store/database.js";
import { openSqliteStore } from "../../src/store/sqlite.js";
import { Vault } from "../../src/vault/vault.js";
import { type ManualClock, manualClock } from "../ledger/fixture.js";
import { temporaryFolder } from "../temporary-folder.js";

export const POPULATION = "lecturers";

export interface Started {
  readonly registry: Registry;
  readonly clock: ManualClock;
  readonly store: Store;
  readonly vault: Vault;
  /** Keys of participants who were erased. */
  readonly erased: Uint8Array[];
  /** Another registry over the same store: what a restart finds. */
  readonly restarted: () => Registry;
}

/** A registry over a store of its own, with one population. */
export async function start(t: Test, policy: EnrolmentPolicy = { type: "open" }): Promise<Started> {
  const store = await openSqliteStore(":memory:");
  t.teardown(() => store.close());
  const clock = manualClock();
  const row = { name: POPULATION, plan: "{}", state: "running" as const, created_ms: 0 };
  await store.db.insertInto("populations").values(row).execute();
  const vault = await Vault.inMemory(temporaryFolder(t));
  t.teardown(() => vault.close());
  const erased: Uint8Array[] = [];
  const isErasedKey = (publicKey: Uint8Array): boolean => erased.some((key) => Buffer.from(key).equals(publicKey));
  const restarted = (): Registry =>
    new Registry({ store, verifier: nodeVerifier(), clock, policy, vault, isErasedKey });
  return { registry: restarted(), clock, store, vault, erased, restarted };
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

/** An enrolment, signed by its key over what it says; `changes` are made after the signature. */
export function enrolment(
  clock: ManualClock,
  signer: NodeSigner = generateNodeSigner(),
  said: { readonly population?: string; readonly timeMs?: number; readonly token?: string } = {},
  changes: Partial<Enrolment> = {},
): Enrolment {
  const { population = POPULATION, timeMs = clock.now(), token = "" } = said;
  const nonce = randomBytes(16);
  const text = `fedloop-enroll/v1\n${population}\n${base64url(signer.publicKey)}\n${base64url(nonce)}\n${timeMs}\n`;
  const signature = signer.sign(Buffer.from(text));
  return { population, publicKey: signer.publicKey, timeMs, nonce, signature, token, ...changes };
}

export function sha256(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
