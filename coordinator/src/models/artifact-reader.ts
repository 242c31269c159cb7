import { createHash } from "node:crypto";
import { CoordinatorError } from "../errors.js";
import type { NatsOptions } from "../messaging/connect.js";
import { ArtifactStore } from "./artifact-store.js";
import type { ContentStore } from "./content-store.js";

/** Reads artifacts, each checked against its hash. */
export interface ArtifactReader extends Pick<ContentStore, "read">, AsyncDisposable {}

export interface ArtifactPlaces {
  /** The log's name. */
  readonly origin: string;
  readonly artifactsDir: string;
  /** Where artifacts lie in an object store; null where they lie in the folder. */
  readonly nats: NatsOptions | null;
}

/**
 * Opens the artifacts of coordinators that may be running, for reading: nothing is made by looking.
 *
 * @throws CoordinatorError UNREACHABLE, FILE_UNREADABLE
 */
export async function openArtifactReader({ origin, artifactsDir, nats }: ArtifactPlaces): Promise<ArtifactReader> {
  const folder = ArtifactStore.reader(artifactsDir);
  if (nats === null) {
    return { read: (sha256, options) => folder.read(sha256, options), [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  // The client of NATS is loaded only where there is one.
  const { connectNats } = await import("../messaging/connect.js");
  const { Objm } = await import("@nats-io/obj");
  const { bucketOf } = await import("./object-store-artifacts.js");
  const connection = await connectNats(nats, "fedloop command");
  const bucket = bucketOf(origin);
  try {
    const objects = await new Objm(connection).open(bucket);
    return {
      async read(sha256) {
        const name = Buffer.from(sha256).toString("hex");
        const bytes = await objects.getBlob(name);
        if (bytes === null) {
          throw new CoordinatorError(
            "NOT_FOUND",
            `expected the object ${name} in the object store ${bucket}, it is not`,
          );
        }
        if (createHash("sha256").update(bytes).digest("hex") === name) return bytes;
        throw new CoordinatorError(
          "ARTIFACT_CORRUPT",
          `expected the object ${name} to have the hash of its name, came other bytes; put it back from a backup`,
        );
      },
      [Symbol.asyncDispose]: () => connection.close(),
    };
  } catch (cause) {
    await connection.close();
    throw new CoordinatorError(
      "FILE_UNREADABLE",
      `expected the object store ${bucket} of ${origin}; start \`fedloop serve\` once, or check nats.servers`,
      { cause },
    );
  }
}
