// Everything a participant must remember from run to run, as one value: it changes as a whole or not at all.
import * as z from "zod/mini";
import { ClientError } from "../errors.js";
import type { Charge } from "../guard/budget.js";
import type { PinnedLog, SeenCheckpoint } from "../guard/receipt.js";
import { loaded } from "../loading.js";
import type { DeviceStore } from "../store/device-store.js";
import type { Session } from "../transport/coordinator-client.js";

/** The policy that the participant was asked about, as its entry in the log says. */
export interface KnownPolicy {
  readonly version: number;
  readonly purposes: readonly string[];
  readonly controller: string;
  readonly notice: { readonly uri: string; readonly sha256: string; readonly language: string };
  /** Decimal strings; ε may be "unbounded". */
  readonly limits: { readonly epsilon: string; readonly delta: string };
  /** Ed25519, base64url. Pinned: a later policy under another key is refused. */
  readonly operatorKey: string;
}

/** The participant's latest decision about a purpose. */
export interface OwnConsent {
  readonly state: "given" | "refused" | "withdrawn";
  readonly policy: number;
  /** Place of the entry in the log; null while it is on its way there. */
  readonly index: number | null;
  /** Of the entry, base64url. */
  readonly leafHash: string;
  /** Milliseconds since the epoch; null for no end. */
  readonly validUntil: number | null;
  readonly limits: { readonly epsilon: string | null; readonly delta: string | null; readonly rounds: number | null };
  /** The entry itself, base64url of its bytes: sent again as it is, and shown to the participant on export. */
  readonly entry: string;
}

/** What the participant did that stands in the log. */
export interface OwnReceipt {
  readonly type: "consent.given" | "consent.refused" | "consent.withdrawn" | "round";
  readonly purpose: string;
  /** With type "round". */
  readonly round: number | null;
  /** What the round's ε is about; left out for all that the participant contributes. */
  readonly unit?: "example";
  /** Place in the log of the consent entry or of the round's plan. */
  readonly index: number;
  /** Of that entry, base64url. */
  readonly leafHash: string;
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  /** With a consent: entry, inclusion proof and checkpoint as a C2SP tlog-proof; `verifyReceipt` checks it offline. */
  readonly proof?: string;
}

/** A participant in one population, as it is kept. */
export interface DeviceState {
  readonly v: 1;
  readonly population: string;
  /** Ed25519, base64url. */
  readonly publicKey: string;
  readonly session: Session;
  readonly subject: string;
  /** The participant's key, base64url of 32 bytes; missing where the coordinator has lost it. */
  readonly subjectKey?: string;
  readonly log: PinnedLog;
  readonly policy: KnownPolicy | null;
  readonly checkpoint: SeenCheckpoint | null;
  /** The participant's own chain of entries. */
  readonly chain: { readonly next: number; readonly previous: string | null };
  readonly consents: { readonly [purpose: string]: OwnConsent };
  /** The last round for which an update was, or may have been, handed in; 0 for none. */
  readonly lastRound: number;
  readonly charges: readonly Charge[];
  readonly receipts: readonly OwnReceipt[];
}

const index = z.int().check(z.minimum(0));
const nullableText = z.nullable(z.string());

const schema: z.ZodMiniType<DeviceState> = z.strictObject({
  v: z.literal(1),
  population: z.string(),
  publicKey: z.string(),
  session: z.strictObject({ deviceId: z.string(), session: z.string() }),
  subject: z.string(),
  subjectKey: z.exactOptional(z.string()),
  log: z.strictObject({ origin: z.string(), verifierKey: z.string() }),
  policy: z.nullable(
    z.strictObject({
      version: index,
      purposes: z.array(z.string()),
      controller: z.string(),
      notice: z.strictObject({ uri: z.string(), sha256: z.string(), language: z.string() }),
      limits: z.strictObject({ epsilon: z.string(), delta: z.string() }),
      operatorKey: z.string(),
    }),
  ),
  checkpoint: z.nullable(z.strictObject({ size: index, root: z.string(), note: z.string() })),
  chain: z.strictObject({ next: index, previous: nullableText }),
  consents: z.catchall(
    z.object({}),
    z.strictObject({
      state: z.enum(["given", "refused", "withdrawn"]),
      policy: index,
      index: z.nullable(index),
      leafHash: z.string(),
      validUntil: z.nullable(index),
      limits: z.strictObject({ epsilon: nullableText, delta: nullableText, rounds: z.nullable(index) }),
      entry: z.string(),
    }),
  ),
  lastRound: index,
  receipts: z.array(
    z.strictObject({
      type: z.enum(["consent.given", "consent.refused", "consent.withdrawn", "round"]),
      purpose: z.string(),
      round: z.nullable(index),
      unit: z.exactOptional(z.literal("example")),
      index,
      leafHash: z.string(),
      timeMs: index,
      proof: z.exactOptional(z.string()),
    }),
  ),
  charges: z.array(
    z.strictObject({
      round: index,
      planIndex: index,
      plan: z.string(),
      event: z.string(),
      run: z.exactOptional(z.strictObject({ id: z.string(), step: index })),
      unit: z.exactOptional(z.literal("example")),
      settled: z.boolean(),
    }),
  ),
});

function stateKey(population: string): string {
  return `${population}/state`;
}

/**
 * Reads a participant's state; undefined when there is none.
 *
 * @throws ClientError STORE_CORRUPT, STORE_FAILED, UNAVAILABLE
 */
export async function loadState(store: DeviceStore, population: string): Promise<DeviceState | undefined> {
  const bytes = await store.get(stateKey(population));
  if (bytes === undefined) return undefined;
  const state = read(() => schema.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))));
  // Who has not taken part yet has no use for the accountant.
  if (state.charges.length > 0) {
    const { requireReadable } = await loaded(() => import("../guard/index.js"));
    read(() => requireReadable(state.charges));
  }
  return state;
}

function read<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new ClientError(
      "STORE_CORRUPT",
      "expected a participant's state in the device store, came something else; restore it, or leave and join anew",
      { cause },
    );
  }
}

/** A participant's state in memory and in its store, always the same in both. */
export class StateKeeper {
  readonly #store: DeviceStore;
  /** Each part's JSON and what it was made of: a change, and a round makes several, leaves most of them as they are. */
  readonly #written = new Map<string, { readonly value: unknown; readonly json: string }>();
  #state: DeviceState;

  constructor(store: DeviceStore, state: DeviceState) {
    this.#store = store;
    this.#state = state;
  }

  get current(): DeviceState {
    return this.#state;
  }

  /** Changes the state. The change counts at once in this process; the promise is done when it is kept. */
  async change(changes: Partial<DeviceState>): Promise<void> {
    this.#state = { ...this.#state, ...changes };
    await this.#store.put(stateKey(this.#state.population), new TextEncoder().encode(this.#json()));
  }

  #json(): string {
    const parts = Object.entries(this.#state).map(([name, value]) => {
      const known = this.#written.get(name);
      if (known !== undefined && known.value === value) return known.json;
      const json = `${JSON.stringify(name)}:${JSON.stringify(value)}`;
      this.#written.set(name, { value, json });
      return json;
    });
    return `{${parts.join(",")}}`;
  }
}
