// Entries of every type: what the log, its keeper and its auditors read.
import type { Signer } from "../crypto/ed25519.js";
import { acceptanceOf } from "../json/acceptance.js";
import { consentForms, policyForm } from "./consent-entries.js";
import { type EntryForm, entryBuilder, entryReader, formOf } from "./entry-forms.js";
import type { Entry, EntryDraft } from "./entry-types.js";
import { stageForm } from "./model-stage.js";
import { erasureForm, heartbeat, keyRotate } from "./operations.js";
import { analyticsRelease, budgetDebit, modelRelease } from "./release.js";
import { closeForm } from "./round-close.js";
import { planForm } from "./round-plan.js";

const forms: readonly EntryForm<Entry>[] = [
  policyForm,
  ...consentForms,
  planForm,
  closeForm,
  formOf("budget.debit", budgetDebit),
  formOf("model.release", modelRelease),
  stageForm,
  formOf("analytics.release", analyticsRelease),
  formOf("key.rotate", keyRotate),
  erasureForm,
  formOf("heartbeat", heartbeat),
];

const read = entryReader(forms, acceptanceOf);
const build = entryBuilder(forms);

/**
 * Reads an entry: canonical JSON of at most 65 535 bytes, of a known type, with exactly the members of that type. The
 * signature is not checked; see `verifyEntrySignature`.
 * @throws LedgerError TOO_LARGE, TOO_DEEP, NOT_CANONICAL, BAD_ENCODING, BAD_ENTRY
 */
export function parseEntry(bytes: Uint8Array): Entry {
  return read(bytes);
}

/**
 * Signs a draft and answers the entry's canonical bytes, which {@link parseEntry} reads back.
 * @throws LedgerError BAD_ENTRY, NOT_CANONICAL, TOO_LARGE when the draft cannot be an entry.
 */
export function buildEntry(draft: EntryDraft, signer: Signer): Promise<Uint8Array> {
  return build(draft, signer);
}
