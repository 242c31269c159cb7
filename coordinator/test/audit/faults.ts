// What auditors look for, planted one by one into a bundle of a real federation by someone who holds every key.
import { encodeEvent, type FindingCode, sha256Text, type Trust } from "@fedloop/consent";
import { generateNodeSigner } from "@fedloop/consent/node";
import { type Draft, type Forgery, freshId, type RealLog } from "./real-bundle.js";

export interface Planted {
  /** The row of the audit that it stands for. */
  readonly row: string;
  readonly code: FindingCode;
  /** What cannot but be wrong with it too. */
  readonly also?: readonly FindingCode[];
  readonly change: (forgery: Forgery) => unknown;
  readonly trust?: Trust;
}

function only<T>(list: readonly T[], at = 0): T {
  const element = list.at(at);
  if (element === undefined) throw new Error("expected the real log to have one");
  return element;
}

/** Members of the last closed round, with the round's close. */
function lastCohort({ of, cohorts }: Forgery) {
  const { entry } = only(of("round.close"), -1);
  const members = cohorts.get(entry.body.plan);
  if (members === undefined) throw new Error("expected a cohort");
  return { close: entry, members };
}

/** A withdrawal by the signer of a consent. */
function withdrawalOf({ drafts }: Forgery, subject: string): Draft {
  const given = only(drafts.filter(({ entry }) => entry.type === "consent.given" && entry.actor === subject));
  const copy = structuredClone(given.entry) as Draft["entry"] & { body: { record: Record<string, unknown> } };
  Reflect.deleteProperty(copy, "enc");
  const event = { time: copy.ts + 1, validUntil: null, state: "withdrawn" };
  const record = { ...copy.body.record, id: freshId(), supersedes: given.was, event };
  return {
    entry: { ...copy, type: "consent.withdrawn", id: freshId(), body: { record } } as unknown as Draft["entry"],
    was: null,
  };
}

function insertBefore({ drafts }: Forgery, place: Draft, inserted: Draft): void {
  drafts.splice(drafts.indexOf(place), 0, inserted);
}

/** Moves an entry forward; it takes the time of what it now stands before, as an honest clock would have it. */
function moveBefore(forgery: Forgery, moved: Draft, place: Draft): void {
  const { drafts } = forgery;
  drafts.splice(drafts.indexOf(moved), 1);
  moved.entry.ts = place.entry.ts;
  insertBefore(forgery, place, moved);
}

const stranger = generateNodeSigner();
/** Of a file that nobody released. */
const NO_MODEL = sha256Text(new Uint8Array(1));
export const HOUR = 3_600_000;

/** Every row of the audit, planted into the real log. */
export function plantedFaults(real: RealLog): readonly Planted[] {
  return [
    {
      row: "signatures",
      code: "ENTRY_SIGNATURE",
      change: ({ of }) => {
        only(of("heartbeat")).draft.signer = stranger;
      },
    },
    {
      row: "tree",
      code: "TREE_ROOT",
      change: ({ checkpoint }) => {
        checkpoint.root = new Uint8Array(32).fill(1);
      },
    },
    {
      row: "checkpoint",
      code: "CHECKPOINT_INVALID",
      change: ({ checkpoint }) => {
        checkpoint.signer = stranger;
      },
    },
    {
      row: "consistency with an earlier checkpoint",
      code: "CHECKPOINT_FORKED",
      trust: { checkpoint: real.checkpoint },
      change: ({ of }) => {
        only(of("heartbeat"), -1).entry.ts += 1;
      },
    },
    {
      row: "contiguous actor chains",
      code: "ACTOR_CHAIN",
      change: ({ of }) => {
        const { draft, entry } = only(of("heartbeat"), -1);
        draft.aseq = entry.aseq + 1;
      },
    },
    {
      row: "heartbeats",
      code: "HEARTBEAT_GAP",
      trust: { maximumSilenceMs: HOUR },
      change: ({ of }) => {
        only(of("heartbeat"), -1).entry.ts += 2 * HOUR;
      },
    },
    {
      row: "each plan precedes its round",
      code: "DEBIT_PLAN",
      also: ["CLOSE_UNPAID", "RELEASE_UNPAID"],
      change: (forgery) => {
        const plan = only(forgery.of("round.plan"), -1).draft;
        const debit = only(forgery.of("budget.debit"), -1).draft;
        moveBefore(forgery, debit, plan);
      },
    },
    {
      row: "its close matches",
      code: "CLOSE_MODEL",
      change: ({ of }) => {
        const close = only(of("round.close").filter(({ entry }) => entry.body.modelOut !== null));
        close.entry.body.modelOut = "A".repeat(43);
      },
    },
    {
      row: "each participant had valid consent at the plan's tree size",
      code: "COHORT_CONSENT",
      change: (forgery) => {
        const { close, members } = lastCohort(forgery);
        const index = forgery.drafts.findIndex(({ entry }) => entry.actor === real.refuser);
        members.push({ subject: real.refuser, consent: index, join: "x", maskKey: `B${"A".repeat(42)}` });
        if (close.body.cohort !== null) close.body.cohort.size += 1;
      },
    },
    {
      row: "none withdrawn before close",
      code: "COHORT_WITHDRAWN",
      change: (forgery) => {
        const { subject } = only(lastCohort(forgery).members);
        insertBefore(forgery, only(forgery.of("budget.debit"), -1).draft, withdrawalOf(forgery, subject));
      },
    },
    {
      row: "each joined by its own signature",
      code: "COHORT_JOIN",
      change: (forgery) => {
        only(lastCohort(forgery).members).join = "";
      },
    },
    {
      row: "no mask key reused",
      code: "MASK_KEY_REUSED",
      change: (forgery) => {
        const [first, second] = lastCohort(forgery).members;
        if (first !== undefined && second !== undefined) second.maskKey = first.maskKey;
      },
    },
    {
      row: "no nonce reused",
      code: "CIPHERTEXT_REUSED",
      change: ({ of }) => {
        const given = of("consent.given");
        const { enc } = only(given, -1).entry;
        if (enc !== undefined) only(given, -2).entry.enc = enc;
      },
    },
    {
      row: "divisor as planned",
      code: "PLAN_DIVISOR",
      change: ({ of }) => {
        only(of("round.plan"), -1).entry.body.privacy.divisor = 9;
      },
    },
    {
      row: "clip as planned",
      code: "PLAN_EVENT",
      change: ({ of }) => {
        only(of("round.plan"), -1).entry.body.update.integerNormBound *= 2;
      },
    },
    {
      row: "noise as planned",
      code: "PLAN_EVENT",
      change: ({ of }) => {
        const { privacy } = only(of("round.plan"), -1).entry.body;
        privacy.noiseMultiplier = String(Number(privacy.noiseMultiplier) / 2);
      },
    },
    {
      row: "the event that is debited is the planned one",
      code: "DEBIT_EVENT",
      change: ({ of }) => {
        Object.assign(only(of("budget.debit"), -1).entry.body, {
          event: encodeEvent({ type: "Gaussian", noiseMultiplier: 9 }),
        });
      },
    },
    {
      row: "debits before releases",
      code: "RELEASE_UNPAID",
      also: ["CLOSE_MODEL", "PLAN_MODEL", "STAGE_MODEL"],
      change: (forgery) => {
        const release = only(forgery.of("model.release"), -1).draft;
        const debit = only(forgery.of("budget.debit").filter(({ entry }) => entry.body.round === 2)).draft;
        moveBefore(forgery, release, debit);
      },
    },
    {
      row: "updates of released models alone",
      code: "PLAN_MODEL",
      change: ({ of }) => {
        const training = of("round.plan").filter(({ entry }) => entry.body.kind === "train");
        const { body } = only(training, -1).entry;
        Object.assign(body, { staleness: { exponent: "0.5", models: [body.model.sha256, NO_MODEL] } });
      },
    },
    {
      row: "devices get released models alone",
      code: "STAGE_MODEL",
      change: ({ of }) => {
        const { body } = only(of("model.stage"), -1).entry;
        Object.assign(body, {
          model: NO_MODEL,
          standing: { live: { round: body.round, model: NO_MODEL }, canary: null },
        });
      },
    },
    {
      row: "what devices get follows from the changes",
      code: "STAGE_ORDER",
      change: ({ of }) => {
        Object.assign(only(of("model.stage"), -1).entry.body.standing, { live: null });
      },
    },
    {
      row: "claimed below recomputed",
      code: "EPSILON_UNDERSTATED",
      change: ({ of }) => {
        only(of("budget.debit"), -1).entry.body.epsilon = "0.5";
      },
    },
    {
      row: "over a cap",
      code: "EPSILON_OVER_CAP",
      also: ["PLAN_LIMITS"],
      change: ({ of }) => {
        only(of("policy.publish")).entry.body.limits.epsilon = "0.5";
        for (const { entry } of of("round.plan")) entry.body.reservation.cap = "0.5";
      },
    },
    {
      row: "a participant's own limits",
      code: "PARTICIPANT_LIMIT",
      change: (forgery) => {
        const { subject } = only(lastCohort(forgery).members);
        const given = only(forgery.of("consent.given").filter(({ entry }) => entry.actor === subject));
        given.entry.body.record.limits.rounds = 1;
      },
    },
    {
      row: "who was eligible",
      code: "PLAN_ELIGIBLE",
      change: ({ of }) => {
        only(of("round.plan")).entry.body.eligible.count += 1;
      },
    },
    {
      row: "erased subjects have no wrap left",
      code: "ERASURE_INCOMPLETE",
      trust: { subjectsWithKeys: [real.erased] },
      change: () => undefined,
    },
    {
      row: "nothing follows an erasure",
      code: "ERASED_SUBJECT",
      change: ({ drafts, of }) => {
        const { draft } = only(of("erasure"));
        const withdrawal = drafts[drafts.indexOf(draft) - 1];
        if (withdrawal === undefined) throw new Error("expected the withdrawal before the erasure");
        drafts.splice(drafts.indexOf(draft), 1);
        drafts.splice(drafts.indexOf(withdrawal), 0, draft);
      },
    },
  ];
}
