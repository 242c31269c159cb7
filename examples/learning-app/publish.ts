// What the publisher does before a release: signs rules and templates.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeBase64Url, generateWebCryptoSigner, type Signer } from "@fedloop/consent";
import { signBundle } from "@fedloop/feedback";
import { RULES, TEMPLATES } from "./campaign.js";

/** Writes the two bundles into a folder. @returns the key that the app pins, base64url */
export async function publish(folder: string, signer?: Signer): Promise<string> {
  const own = signer ?? (await generateWebCryptoSigner());
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "templates.bundle"), await signBundle("templates", 1, TEMPLATES, own));
  writeFileSync(join(folder, "rules.bundle"), await signBundle("rules", 1, RULES, own));
  return encodeBase64Url(own.publicKey);
}
