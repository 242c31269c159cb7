import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { EntryBodies } from "@fedloop/consent";
import type { CorrelatedNoiseState } from "@fedloop/privacy";
import { CoordinatorError } from "../errors.js";
import type { RoundNoise, RoundSpec } from "./round-spec.js";

/** Where a run of correlated noise stands, as it is kept: after the step that was noised last. */
export interface StoredRun {
  /** Leaf hash of the plan that opened it. */
  readonly first: Uint8Array;
  /** Its event, as JSON. */
  readonly event: string;
  readonly step: number;
  /** The noise that is still in the buffers, sealed; empty after the last step. */
  readonly sealed: Uint8Array;
}

/** A round's place in a run. */
export interface RunPosition {
  /** Null where the round opens the run. */
  readonly first: Uint8Array | null;
  readonly step: number;
}

type RunNoise = Extract<RoundNoise, { readonly at: "run" }>;

/** The next step, or the first of a new run where there is none that goes on with this event. */
export function nextPosition(spec: RoundSpec, stored: StoredRun | undefined): RunPosition | null {
  const { mechanism } = spec;
  if (mechanism?.at !== "run") return null;
  const goesOn =
    stored !== undefined && stored.event === JSON.stringify(spec.event) && stored.step < mechanism.participation.steps;
  return goesOn ? { first: stored.first, step: stored.step + 1 } : { first: null, step: 1 };
}

/** A logged plan's place in its run; null for a round by itself. */
export function positionIn({ privacy: { run } }: EntryBodies["round.plan"]): RunPosition | null {
  if (run === undefined) return null;
  return { first: run.first === null ? null : Buffer.from(run.first, "base64url"), step: run.step };
}

/** The run's name in budgets: that of the plan that opened it. */
export function runName(position: RunPosition | null, plan: Uint8Array | undefined): string | undefined {
  const first = position?.first ?? plan;
  return position === null || first === undefined ? undefined : Buffer.from(first).toString("base64url");
}

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals what the buffers hold. It is noise that protects released sums: whoever has it and those sums can take some of
 * the noise off again. So it is kept under a key of its own, bound to its run and step, and not a step longer than needed.
 */
export class NoiseSeal {
  readonly #key: Uint8Array;

  /** @param key 32 secret bytes */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  seal(population: string, first: Uint8Array, state: CorrelatedNoiseState): Uint8Array {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce);
    cipher.setAAD(context(population, first, state.step));
    const parts = state.buffers.map((buffer) =>
      cipher.update(new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)),
    );
    return Buffer.concat([nonce, ...parts, cipher.final(), cipher.getAuthTag()]);
  }

  /**
   * @throws CoordinatorError STORE_UNREADABLE when the key is another, or the bytes were changed
   */
  open(population: string, stored: StoredRun, mechanism: RunNoise): CorrelatedNoiseState {
    const { first, step, sealed } = stored;
    try {
      const decipher = createDecipheriv(CIPHER, this.#key, sealed.subarray(0, NONCE_BYTES));
      decipher.setAAD(context(population, first, step));
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
      const bytes = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
      const values = new Float64Array(new Uint8Array(bytes).buffer);
      bytes.fill(0);
      const count = values.length / mechanism.dimension;
      const buffers = Array.from({ length: count }, (_, j) =>
        values.subarray(j * mechanism.dimension, (j + 1) * mechanism.dimension),
      );
      return { step, buffers };
    } catch (cause) {
      throw new CoordinatorError(
        "STORE_UNREADABLE",
        `expected the noise of ${population}'s run after step ${step} to open with keys/noise.key; restore that file, or change the plan's noise to open a new run`,
        { cause },
      );
    }
  }
}

function context(population: string, first: Uint8Array, step: number): Uint8Array {
  return Buffer.from(`fedloop-noise-run/v1\n${population}\n${Buffer.from(first).toString("base64url")}\n${step}`);
}
