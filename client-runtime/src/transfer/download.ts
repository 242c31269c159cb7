import { equalBytes } from "@fedloop/consent";
import type { RandomSource } from "@fedloop/privacy";
import { Artifacts } from "@fedloop/proto";
import { ClientError, throwIfAborted } from "../errors.js";
import type { Sha256 } from "../hashing/sha256.js";
import type { Clock } from "../scheduling/clock.js";
import { type CoordinatorClient, mayComeBack } from "../transport/coordinator-client.js";
import { pauseMs, type RetryPolicy } from "../transport/retry.js";

/** What a transfer works with. */
export interface TransferContext {
  readonly client: Pick<CoordinatorClient, "call" | "mayWaitMs" | "stream">;
  readonly sha256: Sha256;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly retry: RetryPolicy;
  readonly signal?: AbortSignal | undefined;
}

/** Content-addressed bytes, as a verified plan names them. */
export interface ArtifactName {
  /** SHA-256, 32 bytes. */
  readonly sha256: Uint8Array;
  /** Exact size. The caller has checked it against the app's limit: this much is allocated at once. */
  readonly bytes: number;
}

/**
 * Fetches an artifact. A cut goes on where it stopped; the whole is hashed as it arrives and compared at the end.
 *
 * @param spare bytes that nobody uses any more: overwritten instead of allocating as many anew, if they are as many
 * @returns `artifact.bytes` bytes at the start of a buffer of their own
 * @throws ClientError GUARD_MODEL when the bytes are not those that were named; PROTOCOL, REMOTE, UNAVAILABLE, ABORTED
 */
export async function downloadArtifact(
  context: TransferContext,
  artifact: ArtifactName,
  spare?: Uint8Array,
): Promise<Uint8Array> {
  const { client, sha256, clock, random, retry, signal } = context;
  const received = bufferFor(artifact, spare);
  const hash = sha256.start();
  let offset = 0;
  let failures = 0;
  while (offset < artifact.bytes) {
    throwIfAborted(signal);
    let askedMs = 0;
    try {
      const request = { sha256: artifact.sha256, offset: BigInt(offset) };
      for await (const chunk of client.stream(Artifacts.method.getArtifact, request, signal)) {
        const { data } = chunk;
        if (Number(chunk.totalBytes) !== artifact.bytes || offset + data.length > artifact.bytes) {
          throw new ClientError(
            "GUARD_MODEL",
            `expected an artifact of ${artifact.bytes} bytes, came one of ${chunk.totalBytes}; do not use it`,
          );
        }
        if (Number(chunk.offset) !== offset) {
          throw new ClientError("PROTOCOL", `expected the artifact to go on at ${offset}, it did at ${chunk.offset}`);
        }
        received.set(data, offset);
        hash.update(data);
        offset += data.length;
        if (data.length > 0) failures = 0;
      }
    } catch (cause) {
      if (!mayComeBack(cause)) throw cause;
      askedMs = cause.retryAfterMs;
      if (failures + 1 >= retry.attempts) throw cause;
    }
    if (offset >= artifact.bytes) break;
    failures += 1;
    if (failures >= retry.attempts) {
      throw new ClientError("UNAVAILABLE", `the artifact stopped at ${offset} of ${artifact.bytes} bytes every time`);
    }
    await clock.wait(pauseMs(retry, failures, askedMs, random), signal);
  }
  requireNamed(artifact, hash.digest());
  return received;
}

/**
 * Takes an artifact that came with something else.
 *
 * @param came its bytes, as a view of a message
 * @param spare as for `downloadArtifact`
 * @returns `artifact.bytes` bytes at the start of a buffer of their own
 * @throws ClientError GUARD_MODEL when the bytes are not those that were named
 */
export function takeArtifact(
  { sha256 }: Pick<TransferContext, "sha256">,
  artifact: ArtifactName,
  came: Uint8Array,
  spare?: Uint8Array,
): Uint8Array {
  if (came.length !== artifact.bytes) {
    throw new ClientError(
      "GUARD_MODEL",
      `expected an artifact of ${artifact.bytes} bytes, came one of ${came.length}; do not use it`,
    );
  }
  requireNamed(artifact, sha256.digest(came));
  const own = bufferFor(artifact, spare);
  own.set(came);
  return own;
}

function bufferFor({ bytes }: ArtifactName, spare: Uint8Array | undefined): Uint8Array {
  return spare?.length === bytes ? spare : new Uint8Array(bytes);
}

function requireNamed(artifact: ArtifactName, digest: Uint8Array): void {
  if (equalBytes(digest, artifact.sha256)) return;
  throw new ClientError("GUARD_MODEL", "expected the artifact that the plan names, came other bytes; do not use them");
}
