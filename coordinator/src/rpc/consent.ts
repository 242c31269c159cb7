import {
  type ConsentEntry,
  type ConsentRecord,
  decodeBase64Url,
  isConsentEntry,
  LedgerError,
  parseEntry,
  type SignatureVerifier,
  type Signer,
  verifyEntrySignature,
} from "@fedloop/consent";
import type { Consent } from "@fedloop/proto";
import { CoordinatorError } from "../errors.js";
import type { Ledger } from "../ledger/ledger.js";
import type { Device } from "../registry/device.js";
import { CLOCK_SKEW_MS, type Registry } from "../registry/registry.js";
import type { Populations } from "../rounds/populations.js";
import type { Policy } from "../server/policies.js";
import type { Store } from "../store/database.js";
import type { Erasures } from "../vault/erasures.js";
import { exportSubject } from "../vault/export.js";
import type { Vault } from "../vault/vault.js";
import type { ServiceHandlers } from "./service.js";
import { consistencyMessage, receiptOf } from "./transparency.js";

export interface ConsentDependencies {
  readonly ledger: Ledger;
  readonly populations: Populations;
  /** The policy in force, by population. */
  readonly policies: ReadonlyMap<string, Policy>;
  readonly verifier: SignatureVerifier;
  readonly clock: { now(): number };
  readonly origin: string;
  readonly store: Store;
  readonly vault: Vault;
  readonly erasures: Erasures;
  readonly registry: Registry;
  readonly operator: Signer;
}

/** fedloop.v1.Consent: takes entries that devices sign; it can refuse one, it cannot make one. */
export function consentService(deps: ConsentDependencies): ServiceHandlers<typeof Consent, "getNotice" | "getErasure"> {
  const { ledger, populations, policies } = deps;
  const policyOf = (population: string): Policy => {
    const policy = policies.get(population);
    if (policy === undefined) {
      throw new CoordinatorError(
        "UNKNOWN_POPULATION",
        `expected a population of this coordinator, came "${population.slice(0, 64)}"`,
      );
    }
    return policy;
  };
  return {
    async getNotice(request) {
      const { notice, mediaType, index } = policyOf(request.population);
      return { notice, mediaType, policy: (await receiptOf(ledger, index)).message };
    },
    async recordConsent(request, { device }) {
      const entry = await checkedEntry(deps, device, request.entry, policyOf(device.population));
      if (isNo(entry)) await populations.of(device).beforeWithdrawal(device);
      const { result } = await populations.of(device).ledger.commit((tx) => tx.appendSigned(request.entry));
      populations.of(device).consentChanged();
      const { message, size } = await receiptOf(ledger, result.index);
      const known = Number(request.knownTreeSize ?? 0n);
      const isKnown = known > 0 && known <= size;
      return { receipt: message, ...(isKnown ? { consistency: consistencyMessage(ledger, known, size) } : {}) };
    },
    async getConsent(request, { device }) {
      populations.named(request.population, device);
      const { index } = ledger.view.status(device.subject, request.purpose, deps.clock.now());
      const chain = ledger.view.actor(device.subject);
      return {
        ...(index < 0 ? {} : { latest: (await receiptOf(ledger, index)).message }),
        nextActorSequence: BigInt(chain?.nextSequence ?? 0),
        previousLeafHash: chain === undefined ? new Uint8Array() : decodeBase64Url(chain.leafHash),
      };
    },
    async export(_request, { device }) {
      const { document, timeMs, signature } = await exportSubject(device, deps);
      return { document, timeMs: BigInt(timeMs), signature };
    },
    async erase(request, { device }) {
      for (const bytes of request.withdrawals) {
        const { type } = await checkedEntry(deps, device, bytes, policyOf(device.population));
        if (type === "consent.withdrawn") continue;
        throw new CoordinatorError("BAD_ENTRY", `expected withdrawals to erase after, came a ${type} entry`);
      }
      await populations.of(device).beforeWithdrawal(device);
      const { withdrawals, erasure } = await deps.erasures.erase(
        device,
        request.withdrawals,
        populations.of(device).ledger,
      );
      deps.registry.forget(device);
      populations.of(device).consentChanged();
      const receipts = await Promise.all(withdrawals.map((index) => receiptOf(ledger, index)));
      return {
        withdrawals: receipts.map(({ message }) => message),
        erasure: (await receiptOf(ledger, erasure)).message,
      };
    },
    async getErasure(request) {
      const index = deps.erasures.indexOf(request.subject);
      if (index === undefined) throw new CoordinatorError("NOT_FOUND", "expected someone who was erased, nobody was");
      return { erasure: (await receiptOf(ledger, index)).message };
    },
  };
}

/** An entry that the device may append: its own, about this population, signed by its key, on the policy in force. */
async function checkedEntry(
  { verifier, clock, origin }: ConsentDependencies,
  device: Device,
  bytes: Uint8Array,
  policy: Policy,
): Promise<ConsentEntry> {
  const entry = parsed(bytes);
  if (entry.actor !== device.subject || entry.body.record.subject !== device.subject) {
    throw new CoordinatorError("WRONG_SUBJECT", "expected an entry by the participant that this device enrolled as");
  }
  if (entry.log !== origin) {
    throw new CoordinatorError("BAD_ENTRY", `expected an entry for the log "${origin}", came one for another log`);
  }
  // A decision that was made offline comes late, and a repeated one too. One from the future comes of a wrong clock,
  // which is no reason to turn a "no" away.
  if (!isNo(entry) && entry.ts - clock.now() > CLOCK_SKEW_MS) {
    throw new CoordinatorError(
      "CLOCK_SKEW",
      "expected an entry of the past, came one more than 5 minutes ahead; build it again by the server's time",
    );
  }
  checkRecord(entry.body.record, device, policy, entry.type !== "consent.withdrawn");
  if (!(await verifyEntrySignature(entry, device.publicKey, verifier))) {
    throw new CoordinatorError("BAD_SIGNATURE", "expected the entry signed by the device's key, it does not verify");
  }
  return entry;
}

function checkRecord(record: ConsentRecord, device: Device, policy: Policy, presentPolicy: boolean): void {
  if (record.population !== device.population || !policy.body.purposes.includes(record.purpose)) {
    throw new CoordinatorError("BAD_ENTRY", "expected a record about this population and a purpose of its policy");
  }
  if (!Buffer.from(decodeBase64Url(record.key)).equals(device.publicKey)) {
    throw new CoordinatorError("BAD_ENTRY", "expected the record to carry the key that this device enrolled with");
  }
  // One may always withdraw; what one gives or refuses must be what is being asked now.
  if (presentPolicy && (record.policy !== policy.version || record.notice.sha256 !== policy.body.notice)) {
    throw new CoordinatorError(
      "STALE_POLICY",
      `expected a decision about policy ${policy.version}, came one about ${record.policy}; show the present notice and ask again`,
    );
  }
}

/** Who refuses after having given withdraws too. */
function isNo({ type }: ConsentEntry): boolean {
  return type === "consent.withdrawn" || type === "consent.refused";
}

function parsed(bytes: Uint8Array): ConsentEntry {
  try {
    const entry = parseEntry(bytes);
    if (isConsentEntry(entry) && entry.type !== "consent.expired") return entry;
  } catch (cause) {
    if (!(cause instanceof LedgerError)) throw cause;
    throw new CoordinatorError("BAD_ENTRY", cause.message, { cause });
  }
  throw new CoordinatorError(
    "BAD_ENTRY",
    "expected a consent entry that a device may write: given, refused, withdrawn or reaffirmed",
  );
}
