/**
 * A backup is one SQLite file: the coordinator's database as it was after one commit, and beside its tables two more, with the
 * keys and artifacts that belong to it. Any SQLite opens it.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import * as z from "zod";
import { CoordinatorError } from "../errors.js";
import { ARTIFACT_COLUMNS } from "../models/named-artifacts.js";

export const ARCHIVE_FORMAT = 1;

/** Keys of a coordinator, by file name in its keys folder. The vault's keys are not among them: see docs/operations.md. */
export const ARCHIVED_KEYS = ["operator.key", "checkpoint.key", "noise.key"] as const;

/** Artifacts are kept in pieces of this size. */
const PIECE_BYTES = 4 << 20;

const SCHEMA = `
create table backup_info (key text primary key, value text not null) strict;
create table backup_keys (name text primary key, bytes blob not null) strict;
create table backup_artifacts (sha256 blob not null, piece integer not null, bytes blob not null, primary key (sha256, piece)) strict;
`;

const infoSchema = z.object({
  format: z.literal(String(ARCHIVE_FORMAT)),
  origin: z.string(),
  created: z.string(),
  entries: z.coerce.number().int(),
});

export interface ArchiveInfo {
  readonly origin: string;
  /** When it was made, ISO 8601. */
  readonly created: string;
  /** Entries of the log in it. */
  readonly entries: number;
}

export interface ArchiveSource {
  /** Writes the database, as it is after one commit, into a file that is there and empty. */
  writeDatabase(path: string, onProgress: BackupProgress, signal: AbortSignal): Promise<void>;
  /** An artifact, checked against its hash. */
  readArtifact(sha256: Uint8Array): Promise<Uint8Array>;
  readonly keysDir: string;
  readonly origin: string;
}

/** What is being done, how much of it, and of how much where that is known. */
export type BackupProgress = (step: string, done: number, of?: number) => void;

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "ENOENT";
}

/**
 * Writes a backup, also while a coordinator runs. What was deleted from the database is not in it.
 *
 * @param out a file that is not there yet; it is whole once it has this name
 * @throws CoordinatorError FILE_UNREADABLE, ARTIFACT_CORRUPT, STORE_FAILED
 */
export async function writeArchive(
  source: ArchiveSource,
  out: string,
  onProgress: BackupProgress,
  signal: AbortSignal,
): Promise<ArchiveInfo> {
  const unfinished = `${out}.unfinished`;
  if (existsSync(out))
    throw new CoordinatorError("FILE_UNREADABLE", `expected no file at ${out}; name another, or remove it`);
  rmSync(unfinished, { force: true });
  try {
    // Empty and for its owner only, before anything is in it.
    closeSync(openSync(unfinished, "wx", 0o600));
    await source.writeDatabase(unfinished, onProgress, signal);
    const info = await fill(unfinished, source, onProgress, signal);
    chmodSync(unfinished, 0o600);
    renameSync(unfinished, out);
    return info;
  } catch (cause) {
    rmSync(unfinished, { force: true });
    if (cause instanceof Sqlite.SqliteError) {
      throw new CoordinatorError("STORE_FAILED", `expected to write a backup to ${out}, came "${cause.message}"`, {
        cause,
      });
    }
    throw cause;
  }
}

async function fill(
  path: string,
  source: ArchiveSource,
  onProgress: BackupProgress,
  signal: AbortSignal,
): Promise<ArchiveInfo> {
  const archive = new Sqlite(path);
  try {
    archive.pragma("journal_mode = DELETE");
    archive.pragma("synchronous = FULL");
    archive.exec(SCHEMA);
    const count = archive.prepare<[], { size: number }>("select size from checkpoint").get();
    const info: ArchiveInfo = { origin: source.origin, created: new Date().toISOString(), entries: count?.size ?? 0 };
    archive.exec("begin");
    const tell = archive.prepare("insert into backup_info (key, value) values (?, ?)");
    for (const [key, value] of Object.entries({ format: ARCHIVE_FORMAT, ...info })) tell.run(key, String(value));
    const keep = archive.prepare("insert into backup_keys (name, bytes) values (?, ?)");
    for (const name of ARCHIVED_KEYS) keep.run(name, readKey(join(source.keysDir, name)));
    onProgress("keys", ARCHIVED_KEYS.length, ARCHIVED_KEYS.length);
    await keepArtifacts(archive, source, onProgress, signal);
    archive.exec("commit");
    return info;
  } finally {
    archive.close();
  }
}

function readKey(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new CoordinatorError("FILE_UNREADABLE", `expected a key at ${path}; check keysDir and permissions`, {
      cause,
    });
  }
}

function namedArtifacts(archive: Sqlite.Database): Uint8Array[] {
  const named = new Map<string, Uint8Array>();
  for (const [table, column] of ARTIFACT_COLUMNS) {
    const rows = archive
      .prepare<[], { sha256: Uint8Array }>(
        `select distinct ${column} as sha256 from ${table} where ${column} is not null`,
      )
      .all();
    for (const { sha256 } of rows) named.set(Buffer.from(sha256).toString("hex"), sha256);
  }
  return [...named.values()];
}

async function keepArtifacts(
  archive: Sqlite.Database,
  source: ArchiveSource,
  onProgress: BackupProgress,
  signal: AbortSignal,
): Promise<void> {
  const insert = archive.prepare("insert into backup_artifacts (sha256, piece, bytes) values (?, ?, ?)");
  const named = namedArtifacts(archive);
  for (const [at, sha256] of named.entries()) {
    signal.throwIfAborted();
    const bytes = await source.readArtifact(sha256);
    for (let piece = 0; piece * PIECE_BYTES < Math.max(bytes.length, 1); piece++) {
      insert.run(sha256, piece, bytes.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES));
    }
    onProgress("artifacts", at + 1, named.length);
  }
}

/** What a backup says of itself. @throws CoordinatorError BAD_DATA for a file that is none, or is damaged */
export function readArchiveInfo(path: string): ArchiveInfo {
  return reading(path, infoOf);
}

function infoOf(archive: Sqlite.Database): ArchiveInfo {
  const rows = archive.prepare<[], { key: string; value: string }>("select key, value from backup_info").all();
  return infoSchema.parse(Object.fromEntries(rows.map(({ key, value }) => [key, value])));
}

function reading<T>(path: string, read: (archive: Sqlite.Database) => T): T {
  if (!existsSync(path)) throw new CoordinatorError("FILE_UNREADABLE", `expected a backup at ${path}; check the path`);
  let archive: Sqlite.Database | undefined;
  try {
    archive = new Sqlite(path, { readonly: true, fileMustExist: true });
    const [{ integrity_check: state } = { integrity_check: "" }] = archive.pragma("integrity_check(1)") as {
      integrity_check: string;
    }[];
    if (state !== "ok") throw new Error(state);
    return read(archive);
  } catch (cause) {
    if (cause instanceof CoordinatorError) throw cause;
    const reason = cause instanceof Error ? cause.message.slice(0, 200) : "";
    throw new CoordinatorError(
      "BAD_DATA",
      `expected ${path} to be a whole backup of this version of fedloop: ${reason}`,
      { cause },
    );
  } finally {
    archive?.close();
  }
}

/** Takes a backup apart. Artifacts are checked against their hash. @throws CoordinatorError BAD_DATA */
export function readArchive(
  path: string,
  {
    database,
    key,
    artifact,
  }: {
    readonly database: string;
    readonly key: (name: string, bytes: Uint8Array) => void;
    readonly artifact: (sha256: Uint8Array, bytes: Uint8Array) => void;
  },
  signal: AbortSignal,
): ArchiveInfo {
  const info = reading(path, (archive) => {
    for (const { name, bytes } of archive
      .prepare<[], { name: string; bytes: Buffer }>("select name, bytes from backup_keys")
      .all()) {
      if (ARCHIVED_KEYS.some((known) => known === name)) key(name, bytes);
    }
    const named = archive.prepare<[], { sha256: Buffer }>("select distinct sha256 from backup_artifacts").all();
    const pieces = archive.prepare<[Uint8Array], { bytes: Buffer }>(
      "select bytes from backup_artifacts where sha256 = ? order by piece",
    );
    for (const { sha256 } of named) {
      signal.throwIfAborted();
      const bytes = Buffer.concat(pieces.all(sha256).map((piece) => piece.bytes));
      if (!createHash("sha256").update(bytes).digest().equals(sha256))
        throw new Error("an artifact does not have its hash");
      artifact(sha256, bytes);
    }
    archive.prepare("vacuum into ?").run(database);
    return infoOf(archive);
  });
  const restored = new Sqlite(database);
  try {
    restored.pragma("synchronous = FULL");
    restored.exec("drop table backup_info; drop table backup_keys; drop table backup_artifacts; vacuum");
  } finally {
    restored.close();
  }
  return info;
}

/** Bytes of a file, for what is told of it. */
export function fileBytes(path: string): number {
  return statSync(path).size;
}

/** Whether a folder holds nothing but what a restore leaves alone: the vault and its keys. */
export function hasCoordinator(dataDir: string): boolean {
  try {
    return readdirSync(dataDir).some((name) => name.startsWith("fedloop.sqlite") && !name.endsWith(".lock"));
  } catch (cause) {
    if (isMissing(cause)) return false;
    throw cause;
  }
}
