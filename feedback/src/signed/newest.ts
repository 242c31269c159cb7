// The newest bundles that this device has used: an older one is not taken again, however well it is signed.
import type { DeviceStore } from "@fedloop/client-runtime";
import { decodeUtf8, encodeUtf8 } from "@fedloop/consent";
import { FeedbackError } from "../errors.js";
import type { BundleKind, BundleTrust } from "./bundle.js";

/**
 * Opens a bundle unless it is older than one of its kind that was opened with this store before.
 *
 * @param open `Messages.open`, `openRules` or an app's own, with the trust that it is given
 * @throws FeedbackError BUNDLE_ROLLED_BACK, LOG_CORRUPT where what was kept is no version, and those of `open`
 */
export async function openNewest<Opened extends { readonly version: number }>(
  kind: BundleKind,
  store: DeviceStore,
  trust: BundleTrust,
  open: (trust: BundleTrust) => Promise<Opened>,
): Promise<Opened> {
  const key = `bundles/${kind}`;
  const kept = await store.get(key);
  const used = kept === undefined ? 0 : Number(decodeUtf8(kept));
  if (!Number.isSafeInteger(used)) {
    throw new FeedbackError("LOG_CORRUPT", `expected the version of the newest ${kind} in ${key}, came something else`);
  }
  const newestVersion = Math.max(used, trust.newestVersion ?? 0);
  const opened = await open({ ...trust, newestVersion });
  if (opened.version > used) await store.put(key, encodeUtf8(String(opened.version)));
  return opened;
}
