import type { OpenArtifact } from "./artifact-store.js";

/** Bytes by their SHA-256: in a folder, or in an object store that coordinators share. */
export interface ContentStore {
  /**
   * Keeps the bytes for good; they are durable when this resolves. Putting the same bytes twice keeps one copy.
   *
   * @returns their SHA-256
   */
  put(bytes: Uint8Array, options?: { readonly signal?: AbortSignal }): Promise<Uint8Array>;
  /** The SHA-256 of everything that is kept. */
  kept(): Promise<readonly Uint8Array[]>;
  /** When an artifact was last written, milliseconds since the epoch; undefined where it is not kept. */
  writtenMs(sha256: Uint8Array): Promise<number | undefined>;
  /** Keeps the artifact no longer. Nothing happens where it is not kept. */
  remove(sha256: Uint8Array): Promise<void>;
  /** How many bytes an artifact has; undefined where it is not kept. */
  size(sha256: Uint8Array): Promise<number | undefined>;
  /** Opens an artifact for reading in parts, which are not checked. @throws CoordinatorError NOT_FOUND */
  openArtifact(sha256: Uint8Array): Promise<OpenArtifact>;
  /** A part: at most `length` bytes from `offset`. @throws CoordinatorError NOT_FOUND, OUT_OF_RANGE */
  range(sha256: Uint8Array, offset: number, length: number): Promise<{ bytes: Uint8Array; totalBytes: number }>;
  /** The whole artifact, checked against its hash. @throws CoordinatorError NOT_FOUND, ARTIFACT_CORRUPT */
  read(sha256: Uint8Array, options?: { readonly signal?: AbortSignal }): Promise<Uint8Array>;
}
