// The participant's key in Node: 32 secret bytes in a file that only its owner reads, sealed where the app has a key to
// seal it with.
import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import type { Signer } from "@fedloop/consent";
import { nodeSigner } from "@fedloop/consent/node";
import { ClientError } from "../errors.js";
import { type SealingKey, seal, unseal } from "../store/sealed.js";

const SECRET_BYTES = 32;
const NAME = "ed25519";

/** How a key file is kept. */
export interface FileSignerOptions {
  /** Of `importSealingKey`, from the system's key chain for example. Without it the file holds the bare secret. */
  readonly sealingKey?: SealingKey;
}

/**
 * The participant's signer, made on the first run and the same one from then on.
 *
 * @param path of the key file, readable by its owner only
 * @throws ClientError STORE_CORRUPT when the file holds no key, or one sealed otherwise; STORE_FAILED
 */
export async function fileSigner(path: string, { sealingKey }: FileSignerOptions = {}): Promise<Signer> {
  const kept = (await read(path)) ?? (await keepFirst(path, sealingKey));
  const secret = sealingKey === undefined ? kept : await unseal(sealingKey, NAME, kept);
  if (secret.length !== SECRET_BYTES) {
    throw new ClientError("STORE_CORRUPT", `expected a key of ${SECRET_BYTES} bytes in ${path}, came ${secret.length}`);
  }
  const signer = nodeSigner(secret);
  secret.fill(0);
  return signer;
}

async function read(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new ClientError("STORE_FAILED", `could not read the key file ${path}`, { cause });
  }
}

/** A key that another process has made in the same moment stays. */
async function keepFirst(path: string, sealingKey: SealingKey | undefined): Promise<Uint8Array> {
  const secret = new Uint8Array(randomBytes(SECRET_BYTES));
  const kept = sealingKey === undefined ? secret : await seal(sealingKey, NAME, secret);
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    // Written beside its place and linked there, so that nobody reads half a key.
    const temporary = `${path}.${randomBytes(8).toString("hex")}.new`;
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(kept);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(temporary, path).finally(() => unlink(temporary));
    return kept;
  } catch (cause) {
    const there = await read(path);
    if (there !== undefined) return there;
    throw new ClientError("STORE_FAILED", `could not write the key file ${path}`, { cause });
  }
}
