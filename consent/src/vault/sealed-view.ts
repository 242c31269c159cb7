// A view for auditors only: a document under a fresh data key, and that key sealed to each auditor. Its hash stands in a
// signed entry, so it need not be signed itself.
import * as z from "zod/mini";
import { decodeBase64Url, encodeBase64Url, encodeUtf8 } from "../crypto/encoding.js";
import { bytes32, isBase64Url } from "../entries/scalars.js";
import { LedgerError } from "../errors.js";
import { canonicalBytes, type JsonLimits, parseCanonical } from "../json/canonical.js";
import { freshKey, open, seal } from "./aead.js";
import { type BoxRecipient, openSealed, sealTo } from "./sealed-box.js";

/** What a view belongs to; a view moved elsewhere does not open. */
export interface ViewPlace {
  readonly log: string;
  /** Leaf hash of the plan whose cohort it lists, base64url. */
  readonly plan: string;
}

interface SealedView {
  readonly alg: "X25519-XC20P";
  /** Nonce, ciphertext and tag of the document under the data key. */
  readonly ciphertext: string;
  /** The data key for each auditor, in ascending order of the auditors' keys. */
  readonly keys: readonly { readonly to: string; readonly key: string }[];
}

const base64Url = z.string().check(z.refine(isBase64Url, "must be base64url"));
const sealedView: z.ZodMiniType<SealedView> = z.strictObject({
  alg: z.literal("X25519-XC20P"),
  ciphertext: base64Url,
  keys: z.array(z.strictObject({ to: bytes32, key: base64Url })).check(
    z.minLength(1),
    z.maxLength(64),
    z.refine((keys) => keys.every(({ to }, at) => at === 0 || (keys[at - 1]?.to ?? "") < to), "must be sorted"),
  ),
});

const limits: JsonLimits = { maxBytes: 64 * 1024 * 1024, maxDepth: 3 };

function associated({ log, plan }: ViewPlace): Uint8Array {
  return encodeUtf8(`fedloop-view/v1\n${log}\n${plan}`);
}

/**
 * Seals a document to auditors (their 32-byte X25519 keys).
 * @throws LedgerError BAD_KEY for a malformed key, BAD_ENTRY for no auditor or the same one twice.
 */
export async function sealView(
  document: Uint8Array,
  auditors: readonly Uint8Array[],
  place: ViewPlace,
): Promise<Uint8Array> {
  const dataKey = freshKey();
  const keys = await Promise.all(
    auditors.map(async (auditor) => ({
      to: encodeBase64Url(auditor),
      key: encodeBase64Url(await sealTo(auditor, dataKey)),
    })),
  );
  const ciphertext = encodeBase64Url(seal(dataKey, document, associated(place)));
  const sorted = keys.toSorted((left, right) => (left.to < right.to ? -1 : 1));
  return canonicalBytes(checked({ alg: "X25519-XC20P", ciphertext, keys: sorted }));
}

/** Whether a blob has the outer form of a sealed view: an object, where an open one is a list. */
export function isSealedView(blob: Uint8Array): boolean {
  return blob[0] === 0x7b;
}

/**
 * Opens a sealed view.
 * @returns undefined when it is not sealed to this auditor
 * @throws LedgerError BAD_ENTRY, NOT_CANONICAL when it has another form; BAD_CIPHERTEXT when it was changed or moved.
 */
export async function openView(
  blob: Uint8Array,
  auditor: BoxRecipient,
  place: ViewPlace,
): Promise<Uint8Array | undefined> {
  const { ciphertext, keys } = checked(parseCanonical(blob, limits));
  const own = encodeBase64Url(auditor.publicKey);
  const sealed = keys.find(({ to }) => to === own);
  if (sealed === undefined) return undefined;
  const dataKey = await openSealed(auditor, decodeBase64Url(sealed.key));
  return open(dataKey, decodeBase64Url(ciphertext), associated(place));
}

function checked(value: unknown): SealedView {
  const { success, data, error } = sealedView.safeParse(value);
  if (success) return data;
  throw new LedgerError("BAD_ENTRY", "The sealed view is malformed, has no auditor, or one twice.", { cause: error });
}
