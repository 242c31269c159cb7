// A log asks its witnesses for cosignatures, and publishes once enough of them have signed.
import type { SignatureVerifier } from "../crypto/ed25519.js";
import { LedgerError } from "../errors.js";
import { readUnverifiedCheckpoint } from "../log/checkpoint.js";
import { openNote, parseNote, signatureLineOf } from "../log/note.js";
import { isNamed, parseVkey } from "../log/verifier-key.js";
import { formatAddCheckpoint } from "./request.js";

/** A witness as its log reaches it. */
export interface WitnessContact {
  readonly vkey: string;
  /** Sends the body of an add-checkpoint request. */
  submit(body: string, signal?: AbortSignal): Promise<{ readonly status: number; readonly body: string }>;
}

export interface CollectSettings {
  readonly witnesses: readonly WitnessContact[];
  /** How many must sign. */
  readonly quorum: number;
  readonly verifier: SignatureVerifier;
  /** Consistency proof of the log from a size to the checkpoint's. */
  readonly consistencyProof: (oldSize: number, newSize: number) => readonly Uint8Array[];
  /** Size that each witness is believed to have cosigned last, by verifier key; a wrong one costs a second request. */
  readonly lastSizes?: ReadonlyMap<string, number>;
  readonly signal?: AbortSignal;
}

/** A cosigned checkpoint. */
export interface Cosigned {
  readonly checkpoint: string;
  readonly signed: readonly string[];
  /** Why the others did not sign, by name. */
  readonly refused: ReadonlyMap<string, string>;
}

/**
 * Collects cosignatures over a signed checkpoint from all witnesses at once.
 * @throws LedgerError NO_QUORUM, with every witness's reason, when fewer than the quorum signed.
 */
export async function collectCosignatures(checkpoint: string, settings: CollectSettings): Promise<Cosigned> {
  const { witnesses, quorum } = settings;
  const refused = new Map<string, string>();
  const lines = await Promise.all(
    witnesses.map(async (witness) => {
      try {
        return await cosignatureOf(checkpoint, witness, settings);
      } catch (error) {
        settings.signal?.throwIfAborted();
        refused.set(parseVkey(witness.vkey).name, error instanceof Error ? error.message : String(error));
        return undefined;
      }
    }),
  );
  const got = lines.filter((line) => line !== undefined);
  if (got.length < quorum) {
    const reasons = [...refused].map(([name, reason]) => `${name}: ${reason}`).join("; ");
    throw new LedgerError(
      "NO_QUORUM",
      `${quorum} of ${witnesses.length} witnesses must sign; ${got.length} did. ${reasons}`,
    );
  }
  const signed = witnesses.filter((_, at) => lines[at] !== undefined).map(({ vkey }) => parseVkey(vkey).name);
  return { checkpoint: checkpoint + got.join(""), signed, refused };
}

async function cosignatureOf(checkpoint: string, witness: WitnessContact, settings: CollectSettings): Promise<string> {
  const { consistencyProof, verifier, lastSizes, signal } = settings;
  const { size } = readUnverifiedCheckpoint(checkpoint);
  const ask = (oldSize: number) => {
    const proof = consistencyProof(oldSize, size);
    return witness.submit(formatAddCheckpoint({ oldSize, proof, checkpoint }), signal);
  };
  let response = await ask(Math.min(lastSizes?.get(witness.vkey) ?? 0, size));
  if (response.status === 409 && /^(0|[1-9][0-9]{0,15})\n$/.test(response.body)) {
    const cosigned = Number(response.body);
    if (cosigned > size) throw new Error(`it has cosigned ${cosigned} entries already, more than these ${size}`);
    response = await ask(cosigned);
  }
  if (response.status !== 200) throw new Error(`it answered ${response.status}: ${response.body.trim().slice(0, 200)}`);
  const key = parseVkey(witness.vkey);
  const { text } = parseNote(checkpoint);
  const note = `${text}\n${response.body}`;
  await openNote(note, [key], verifier);
  // Only the line that was verified goes on; whatever else the witness sent is dropped.
  const line = parseNote(note).signatures.find(({ name, keyId }) => isNamed(key, name, keyId));
  if (line === undefined) throw new Error("its answer has no signature of its own");
  return signatureLineOf(line);
}

/** A witness behind an HTTP submission prefix; `fetch` is the platform's. */
export function httpWitness(vkey: string, prefix: string, fetch: typeof globalThis.fetch): WitnessContact {
  return {
    vkey,
    submit: async (body, signal) => {
      const init = { method: "POST", body, ...(signal === undefined ? {} : { signal }) };
      const response = await fetch(`${prefix.replace(/\/$/, "")}/add-checkpoint`, init);
      return { status: response.status, body: await response.text() };
    },
  };
}
