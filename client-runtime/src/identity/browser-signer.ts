// The participant's key in a browser: made once, kept in IndexedDB, never readable.
import { generateWebCryptoSigner, type Signer, webCryptoSigner } from "@fedloop/consent";
import { ClientError } from "../errors.js";
import { committed, openDatabase, settled } from "../store/database.js";
import { generateSealingKey, type SealingKey, seal, unseal } from "../store/sealed.js";

/** Ed25519 over a 32-byte secret, for browsers whose WebCrypto lacks it: @noble/curves has it, libsodium too. */
export interface PlainEd25519 {
  publicKey(secret: Uint8Array): Uint8Array;
  sign(message: Uint8Array, secret: Uint8Array): Uint8Array;
}

/** How a browser's key is made and kept. */
export interface BrowserSignerOptions {
  /** Used where WebCrypto has no Ed25519 (Chromium before 137, Firefox before 129, Safari before 17). */
  readonly fallback?: PlainEd25519;
  /** Makes a key pair whose private key cannot be read; WebCrypto unless given. */
  readonly generate?: () => Promise<Signer & { readonly keyPair: CryptoKeyPair }>;
  /** The platform's unless given. */
  readonly indexedDB?: IDBFactory;
}

const KEYS = "keys";
const NAME = "ed25519";

type KeptKey =
  | { readonly type: "web-crypto"; readonly keyPair: CryptoKeyPair }
  /** The secret, sealed by a key that WebCrypto does not hand out. */
  | {
      readonly type: "sealed";
      readonly publicKey: Uint8Array;
      readonly sealed: Uint8Array;
      readonly sealingKey: SealingKey;
    };

/**
 * The participant's signer, the same one for a name each time. Its private key is a non-extractable WebCrypto key; where
 * WebCrypto has no Ed25519 it lies sealed under a non-extractable AES key, and is in memory only while it signs.
 *
 * @param name of the database; one for each participant
 * @throws ClientError NO_CRYPTO when neither is there, STORE_FAILED
 */
export async function browserSigner(name: string, options: BrowserSignerOptions = {}): Promise<Signer> {
  const database = await openDatabase(options.indexedDB ?? globalThis.indexedDB, `${name}-key`, KEYS).catch(
    (cause: unknown) => {
      throw new ClientError("STORE_FAILED", "could not open the database of the participant's key", { cause });
    },
  );
  try {
    const kept = (await read(database)) ?? (await keepFirst(database, await generate(options)));
    return await signerOf(kept, options);
  } finally {
    database.close();
  }
}

/** Deletes a participant's key: nothing can be signed with it any more. */
export async function deleteBrowserSigner(
  name: string,
  { indexedDB = globalThis.indexedDB }: Pick<BrowserSignerOptions, "indexedDB"> = {},
): Promise<void> {
  await settled(indexedDB.deleteDatabase(`${name}-key`));
}

async function read(database: IDBDatabase): Promise<KeptKey | undefined> {
  // What lies in this database was put there by this file alone.
  return (await settled(database.transaction(KEYS).objectStore(KEYS).get(NAME))) as KeptKey | undefined;
}

/** Two tabs may get here at once: the first key stays, and both use it. */
async function keepFirst(database: IDBDatabase, key: KeptKey): Promise<KeptKey> {
  const transaction = database.transaction(KEYS, "readwrite", { durability: "strict" });
  const store = transaction.objectStore(KEYS);
  const there = (await settled(store.get(NAME))) as KeptKey | undefined;
  if (there === undefined) store.put(key, NAME);
  await committed(transaction);
  return there ?? key;
}

async function generate({ generate = generateWebCryptoSigner, fallback }: BrowserSignerOptions): Promise<KeptKey> {
  try {
    return { type: "web-crypto", keyPair: (await generate()).keyPair };
  } catch (cause) {
    if (fallback === undefined) {
      throw new ClientError(
        "NO_CRYPTO",
        "expected Ed25519 in WebCrypto, this browser has none; pass `fallback`, for example from @noble/curves",
        { cause },
      );
    }
  }
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const sealingKey = await generateSealingKey();
  const sealed = await seal(sealingKey, NAME, secret);
  const publicKey = fallback.publicKey(secret);
  secret.fill(0);
  return { type: "sealed", publicKey, sealed, sealingKey };
}

async function signerOf(kept: KeptKey, { fallback }: BrowserSignerOptions): Promise<Signer> {
  if (kept.type === "web-crypto") return webCryptoSigner(kept.keyPair);
  const { publicKey, sealed, sealingKey } = kept;
  if (fallback === undefined) throw new ClientError("NO_CRYPTO", "expected the `fallback` that this key was made with");
  return {
    publicKey,
    async sign(message) {
      const secret = await unseal(sealingKey, NAME, sealed);
      try {
        return fallback.sign(message, secret);
      } finally {
        secret.fill(0);
      }
    },
  };
}
