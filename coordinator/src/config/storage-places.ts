import { readFile } from "node:fs/promises";
import { CoordinatorError } from "../errors.js";
import type { StoragePlaces } from "../server/storage.js";
import type { Config, ConfigEnvironment } from "./config.js";
import { isLoopback } from "./loopback.js";

/** What of a URL's sslmode keeps others from reading along, or standing in for the server. */
const VERIFIED: ReadonlySet<string> = new Set(["verify-full", "verify-ca"]);

/**
 * Where a configuration says that the state is. The database's URL, which holds a password, comes from a file or from the
 * environment, never from the configuration itself, and no message repeats it.
 *
 * @throws CoordinatorError BAD_CONFIG, FILE_UNREADABLE
 */
export async function storagePlaces(config: Config, environment: ConfigEnvironment): Promise<StoragePlaces> {
  const { dataDir, vaultDir, keysDir, artifactsDir, store } = config;
  const places = { dataDir, vaultDir, keysDir, artifactsDir };
  if (store.type === "sqlite") return places;
  const { FEDLOOP_POSTGRES_URL: fromEnvironment } = environment;
  const where = store.urlFile ?? "FEDLOOP_POSTGRES_URL";
  const url = store.urlFile === null ? fromEnvironment : await readUrl(store.urlFile);
  if (url === undefined || url === "") {
    throw new CoordinatorError(
      "BAD_CONFIG",
      `store.postgres: expected the database's URL in ${where}, came nothing; set it, or name a file with store.postgres.urlFile`,
    );
  }
  checkUrl(url, where);
  return { ...places, store: { type: "postgres", url } };
}

async function readUrl(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (cause) {
    throw new CoordinatorError(
      "FILE_UNREADABLE",
      `expected a file with the database's URL at ${path}, as store.postgres.urlFile says; check path and permissions`,
      { cause },
    );
  }
}

function checkUrl(written: string, where: string): void {
  const url = URL.canParse(written) ? new URL(written) : undefined;
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol) || url.pathname.length < 2) {
    throw new CoordinatorError(
      "BAD_CONFIG",
      `${where}: expected postgres://user:password@host:port/database, came something else`,
    );
  }
  const host = url.hostname || (url.searchParams.get("host") ?? "localhost");
  const isLocal = host.startsWith("/") || isLoopback(host.replace(/^\[|\]$/g, ""));
  if (isLocal || VERIFIED.has(url.searchParams.get("sslmode") ?? "")) return;
  throw new CoordinatorError(
    "BAD_CONFIG",
    `${where}: expected sslmode=verify-full for a database on another machine, as in postgres://…?sslmode=verify-full&sslrootcert=ca.pem`,
  );
}
