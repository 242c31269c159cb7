// What an entry must satisfy, given the entries before it, to be taken into the log. The coordinator asks before it
// appends, the auditor asks again of every entry.
import { type ConsentEntry, coordinatorActor, type Entry, isConsentEntry } from "../entries/entry-types.js";
import { LedgerError } from "../errors.js";
import type { ConsentView } from "./view.js";

/**
 * The key (base64url) whose signature the entry must carry: the actor's own from its first entry on, which for the
 * coordinator is the operator key of the log's first entry.
 * @throws LedgerError CHAIN_BROKEN when the actor has no key yet and the entry brings none.
 */
export function expectedKey(view: ConsentView, entry: Entry): string {
  const known = view.actor(entry.actor)?.key;
  if (known !== undefined) return known;
  if (entry.type === "policy.publish" && view.size === 0) return entry.body.operatorKey;
  if (isConsentEntry(entry) && entry.actor !== coordinatorActor) return entry.body.record.key;
  throw new LedgerError("CHAIN_BROKEN", `${entry.actor} has no key yet, and a ${entry.type} entry brings none.`);
}

/**
 * Checks that the entry continues its actor's chain and, where it is a consent, that it may stand: right subject and
 * key, policy and notice in force, one of the policy's purposes, superseding exactly the latest decision. The
 * signature is the caller's to check, with {@link expectedKey}.
 * @throws LedgerError CHAIN_BROKEN, WRONG_SUBJECT, STALE_POLICY, WITHDRAWN_LATER, BAD_ENTRY
 */
export function admitEntry(view: ConsentView, entry: Entry): void {
  checkChain(view, entry);
  const subject = isConsentEntry(entry) ? entry.body.record.subject : entry.actor;
  if (view.isErased(subject))
    throw new LedgerError("WRONG_SUBJECT", `${subject} was erased; a returning participant gets a new pseudonym.`);
  if (entry.type === "policy.publish") {
    const { population, policy, operatorKey } = entry.body;
    const last = view.policy(population)?.policy.policy ?? 0;
    if (policy !== last + 1)
      throw new LedgerError("STALE_POLICY", `The next policy of ${population} is ${last + 1}, not ${policy}.`);
    if (operatorKey !== expectedKey(view, entry))
      throw new LedgerError(
        "BAD_ENTRY",
        "The policy's operator key is not the key that signs the coordinator's entries.",
      );
  }
  if (isConsentEntry(entry)) checkConsent(view, entry);
}

function checkChain(view: ConsentView, entry: Entry): void {
  const actor = view.actor(entry.actor);
  const sequence = actor?.nextSequence ?? 0;
  const previous = actor?.leafHash ?? null;
  if (entry.aseq !== sequence)
    throw new LedgerError("CHAIN_BROKEN", `${entry.actor}'s next entry has number ${sequence}, not ${entry.aseq}.`);
  if (entry.aprev !== previous)
    throw new LedgerError("CHAIN_BROKEN", `${entry.actor}'s entry ${entry.aseq} does not follow its last one.`);
}

function checkConsent(view: ConsentView, entry: ConsentEntry): void {
  const { record } = entry.body;
  const { state, time, validUntil } = record.event;
  const byCoordinator = entry.actor === coordinatorActor;
  if (!byCoordinator && record.subject !== entry.actor)
    throw new LedgerError("WRONG_SUBJECT", `The record speaks for ${record.subject}, its author is ${entry.actor}.`);
  const knownKey = view.actor(record.subject)?.key;
  if (knownKey !== undefined ? record.key !== knownKey : byCoordinator)
    throw new LedgerError("WRONG_SUBJECT", `The record's key is not the key of ${record.subject}.`);

  const latest = view.status(record.subject, record.purpose);
  if (record.supersedes !== (latest.index < 0 ? null : latest.leafHash))
    throw new LedgerError(
      "WITHDRAWN_LATER",
      `The latest decision about ${record.purpose} is entry ${latest.index}; the record must supersede exactly it.`,
    );
  if (latest.record !== null && latest.record.population !== record.population)
    throw new LedgerError("WRONG_SUBJECT", `${record.subject} is a pseudonym of ${latest.record.population}.`);
  // Saying no must always be possible, whatever has become of the policy.
  if (state !== "given" && state !== "reaffirmed") return;
  if (state === "reaffirmed" && latest.state !== "given" && latest.state !== "expired")
    throw new LedgerError("WITHDRAWN_LATER", `A consent that is ${latest.state} cannot be reaffirmed; give it anew.`);

  const policy = view.policy(record.population)?.policy;
  if (policy === undefined)
    throw new LedgerError("STALE_POLICY", `No policy is published for the population ${record.population}.`);
  const stale = (what: string): LedgerError =>
    new LedgerError("STALE_POLICY", `The record's ${what} is not that of policy ${policy.policy}; ask again.`);
  if (record.policy !== policy.policy) throw stale("policy version");
  if (record.notice.sha256 !== policy.notice) throw stale("notice");
  if (record.notice.uri !== policy.noticeUri) throw stale("notice URI");
  if (record.notice.language !== policy.language) throw stale("language");
  if (record.controller !== policy.controller) throw stale("controller");
  if (!policy.purposes.includes(record.purpose)) throw stale("purpose");
  if (validUntil !== null && validUntil <= time)
    throw new LedgerError("BAD_ENTRY", "The consent ends before it begins.");
  if (record.ageBand === "minor" && (record.guardian === undefined || record.event.actor !== "guardian"))
    throw new LedgerError("BAD_ENTRY", "A minor's consent is given by a guardian, and names the guardian.");
  if (record.signals.gpc && record.signals.conflictConfirmed !== true)
    throw new LedgerError(
      "BAD_ENTRY",
      "The device sends Global Privacy Control; consent needs the conflict put to the participant and confirmed.",
    );
}
