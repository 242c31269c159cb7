// A witness (C2SP tlog-witness): it cosigns a log's checkpoint only if that extends the last one it cosigned, so a log
// cannot show two histories to people who ask for the same witnesses.
import { equalBytes } from "../crypto/bytes.js";
import type { SignatureVerifier } from "../crypto/ed25519.js";
import { LedgerError } from "../errors.js";
import { type Checkpoint, parseCheckpointText } from "../log/checkpoint.js";
import { formatForkEvidence, verifyForkEvidence } from "../log/fork.js";
import { type NoteSigner, type OpenedNote, openNote, parseNote, signatureLine } from "../log/note.js";
import { verifyConsistency } from "../log/proofs.js";
import { encodeVkey, parseVkey, type VerifierKey } from "../log/verifier-key.js";
import { type AddCheckpoint, parseAddCheckpoint } from "./request.js";

/** A head that a witness has cosigned. */
export interface Head extends Pick<Checkpoint, "size" | "root"> {
  /** The note as the log signed it: evidence, should the log ever sign another history. */
  readonly note: string;
}

/** Keeps, for each log, the last head that was cosigned. */
export interface WitnessStore {
  /** The last head of a log; undefined where none was cosigned. */
  latest(origin: string): Promise<Head | undefined>;
  /**
   * Replaces the head, durably and only if its size is still `oldSize` (0 for none); answers whether it did. Two
   * requests at once must not both succeed: that could roll a log back.
   */
  advance(origin: string, oldSize: number, head: Head): Promise<boolean>;
}

/** An HTTP answer. */
export interface WitnessResponse {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422;
  readonly contentType: string;
  readonly body: string;
}

export interface WitnessSettings {
  /** From `cosigner`. */
  readonly signer: NoteSigner;
  /** Verifier keys of the logs that are witnessed. */
  readonly logs: readonly string[];
  readonly store: WitnessStore;
  readonly verifier: SignatureVerifier;
  /** Told of a proven fork, as `formatForkEvidence` writes it and `verifyForkEvidence` checks it. */
  readonly onFork?: (origin: string, evidence: string) => void;
}

function answer(status: WitnessResponse["status"], body: string): WitnessResponse {
  return { status, contentType: "text/plain; charset=utf-8", body };
}

/** Answers `POST …/add-checkpoint`. */
export class Witness {
  readonly #settings: WitnessSettings;
  readonly #keys: readonly VerifierKey[];

  /** @throws LedgerError BAD_NOTE, BAD_KEY, BAD_ENCODING for a malformed verifier key */
  constructor(settings: WitnessSettings) {
    this.#settings = settings;
    this.#keys = settings.logs.map(parseVkey);
  }

  /** Checks a request and cosigns its checkpoint. Never throws for what the request holds. */
  async addCheckpoint(body: string): Promise<WitnessResponse> {
    let request: AddCheckpoint;
    let checkpoint: Checkpoint;
    try {
      request = parseAddCheckpoint(body);
      checkpoint = parseCheckpointText(parseNote(request.checkpoint).text);
    } catch (error) {
      if (error instanceof LedgerError) return answer(400, `${error.message}\n`);
      throw error;
    }
    const keys = this.#keys.filter(({ name }) => name === checkpoint.origin);
    if (keys.length === 0) return answer(404, `The log ${checkpoint.origin} is not witnessed here.\n`);
    const note = await this.#opened(request.checkpoint, keys);
    if (note === undefined) return answer(403, "No signature by a trusted key of the log.\n");
    if (request.oldSize > checkpoint.size) return answer(400, "The old size is larger than the checkpoint's.\n");
    return this.#extend(request, checkpoint, note);
  }

  /** Two heads that the log's key signed and that no append-only log has are shown to whoever listens. */
  async #accuse(
    latest: Head,
    checkpoint: Checkpoint,
    { oldSize, proof, checkpoint: note }: AddCheckpoint,
  ): Promise<void> {
    const { onFork, verifier } = this.#settings;
    const key = this.#keys.find(({ name }) => name === checkpoint.origin);
    if (onFork === undefined || key === undefined || oldSize !== latest.size) return;
    const evidence = formatForkEvidence(encodeVkey(key), latest.note, note, proof);
    try {
      await verifyForkEvidence(evidence, verifier);
    } catch (error) {
      // A wrong proof is no fork: the log may have made a mistake.
      if (error instanceof LedgerError) return;
      throw error;
    }
    onFork(checkpoint.origin, evidence);
  }

  async #opened(note: string, keys: readonly VerifierKey[]): Promise<OpenedNote | undefined> {
    try {
      return await openNote(note, keys, this.#settings.verifier);
    } catch (error) {
      if (error instanceof LedgerError) return undefined;
      throw error;
    }
  }

  async #extend(request: AddCheckpoint, checkpoint: Checkpoint, note: OpenedNote): Promise<WitnessResponse> {
    const { oldSize, proof } = request;
    const { store, signer } = this.#settings;
    const { origin, size, root } = checkpoint;
    const latest = await store.latest(origin);
    const conflict = (at: number): WitnessResponse => ({
      status: 409,
      contentType: "text/x.tlog.size",
      body: `${at}\n`,
    });
    if (oldSize !== (latest?.size ?? 0)) return conflict(latest?.size ?? 0);
    if (latest !== undefined && oldSize === size) {
      if (!equalBytes(latest.root, root)) {
        await this.#accuse(latest, checkpoint, request);
        return conflict(latest.size);
      }
      if (proof.length > 0) return answer(422, "From a size to itself there is nothing to prove.\n");
    } else if (latest !== undefined && latest.size > 0) {
      const claim = { oldSize, oldRoot: latest.root, newSize: size, newRoot: root, path: proof };
      if (!verifyConsistency(claim)) {
        await this.#accuse(latest, checkpoint, request);
        return answer(422, "The consistency proof does not verify.\n");
      }
    }
    if (!(await store.advance(origin, oldSize, { size, root, note: request.checkpoint }))) {
      return conflict((await store.latest(origin))?.size ?? 0);
    }
    return answer(200, await signatureLine(note.text, signer));
  }
}

/** A store in memory: for tests, and for witnesses whose state need not survive. */
export function memoryWitnessStore(): WitnessStore {
  const heads = new Map<string, Head>();
  return {
    latest: async (origin) => heads.get(origin),
    advance: async (origin, oldSize, head) => {
      if ((heads.get(origin)?.size ?? 0) !== oldSize) return false;
      heads.set(origin, { size: head.size, root: head.root.slice(), note: head.note });
      return true;
    },
  };
}
