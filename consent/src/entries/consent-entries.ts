// The entries by which a participant is asked and answers: the policy, and consents.
import * as z from "zod/mini";
import { type ConsentRecord, consentRecord } from "../records/record.js";
import {
  type EntryBuilder,
  type EntryForm,
  type EntryReader,
  entryBuilder,
  entryReader,
  formOf,
} from "./entry-forms.js";
import type { ConsentEntry, EntryOf } from "./entry-types.js";
import { policyPublish } from "./policy-publish.js";

function consentOf<const T extends ConsentEntry["type"]>(type: T) {
  const state = type.slice("consent.".length);
  const ofState = ({ record }: { readonly record: ConsentRecord }): boolean => record.event.state === state;
  return formOf(
    type,
    z.strictObject({ record: consentRecord }).check(z.refine(ofState, `record.event.state must be "${state}"`)),
  );
}

export const consentForms: readonly EntryForm<ConsentEntry>[] = [
  consentOf("consent.given"),
  consentOf("consent.refused"),
  consentOf("consent.withdrawn"),
  consentOf("consent.reaffirmed"),
  consentOf("consent.expired"),
];

export const policyForm: EntryForm<EntryOf<"policy.publish">> = formOf("policy.publish", policyPublish);

/** Reads a `policy.publish` entry, and no other. @throws LedgerError as `parseEntry` */
export const readPolicyEntry: EntryReader<EntryOf<"policy.publish">> = entryReader([policyForm]);

/** Reads a consent entry of any state, and no other. @throws LedgerError as `parseEntry` */
export const readConsentEntry: EntryReader<ConsentEntry> = entryReader(consentForms);

/** Signs a consent entry. @throws LedgerError as `buildEntry` */
export const buildConsentEntry: EntryBuilder<ConsentEntry> = entryBuilder(consentForms);
