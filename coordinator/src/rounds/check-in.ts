// Which devices a round takes: what there is for a device that comes, and its way into the cohort.
import { joinMessage, type SignatureVerifier } from "@fedloop/consent";
import { CoordinatorError } from "../errors.js";
import type { Ledger } from "../ledger/ledger.js";
import type { Device } from "../registry/device.js";
import type { CurrentRound } from "./current-round.js";
import type { RoundNotice } from "./engine.js";
import type { ReturnWindow } from "./return-windows.js";
import type { Schedule } from "./schedule.js";
import { hasEnded } from "./states.js";

/** Nothing to do for a device now, and when to ask again. */
export interface Idle extends ReturnWindow {
  readonly reason: "no-round" | "full" | "finished" | "budget";
}

export type CheckIn =
  | { readonly type: "idle"; readonly idle: Idle }
  | { readonly type: "offer"; readonly round: number; readonly planIndex: number; readonly consentIndex: number }
  | { readonly type: "joined"; readonly notice: RoundNotice };

export interface Join {
  readonly round: number;
  /** Leaf hash of the plan entry, 32 bytes. */
  readonly plan: Uint8Array;
  readonly signature: Uint8Array;
}

export interface CheckInsOptions {
  readonly schedule: Pick<Schedule, "population" | "purpose">;
  readonly ledger: Pick<Ledger, "view">;
  readonly verifier: SignatureVerifier;
  readonly clock: { now(): number };
  /** The log's name. */
  readonly origin: string;
  readonly current: () => CurrentRound | undefined;
  readonly idle: () => Idle;
}

export class CheckIns {
  readonly #options: CheckInsOptions;

  constructor(options: CheckInsOptions) {
    this.#options = options;
  }

  /**
   * What there is for a device: a round to verify and join, its place in one, or nothing now.
   *
   * @throws CoordinatorError NO_CONSENT
   */
  checkIn(device: Device): CheckIn {
    const current = this.#options.current();
    if (current === undefined || hasEnded(current.engine.progress.state)) return this.#nothing();
    if (current.engine.cohort.hasPlace(device.id)) return { type: "joined", notice: current.engine.notice };
    if (current.engine.progress.state !== "selecting") return this.#full();
    const consentIndex = this.#consent(device);
    const plan = current.work.plan;
    // Who consented after the round was planned, or has no budget for it, waits for the next one like everybody else.
    if (plan === undefined || current.eligible?.members.get(device.subject) !== consentIndex) return this.#nothing();
    return { type: "offer", round: current.engine.round, planIndex: plan.index, consentIndex };
  }

  /**
   * Takes a device into the cohort on its signature over the plan's leaf hash.
   *
   * @throws CoordinatorError STALE_OFFER, NO_CONSENT, BAD_SIGNATURE
   */
  async join(device: Device, join: Join): Promise<CheckIn> {
    const { clock, origin, verifier, schedule } = this.#options;
    const current = this.#options.current();
    const plan = current?.work.plan;
    if (
      current === undefined ||
      plan === undefined ||
      current.engine.round !== join.round ||
      !Buffer.from(plan.hash).equals(join.plan)
    ) {
      throw new CoordinatorError("STALE_OFFER", "expected a join of the round on offer; check in for the present one");
    }
    if (current.engine.cohort.hasPlace(device.id)) return { type: "joined", notice: current.engine.notice };
    // Who comes too late need not be verified.
    if (current.engine.progress.state !== "selecting") return this.#full();
    const message = joinMessage({
      log: origin,
      plan: Buffer.from(plan.hash).toString("base64url"),
      population: schedule.population,
      round: join.round,
      subject: device.subject,
    });
    if (!(await verifier.verify(device.publicKey, message, join.signature))) {
      throw new CoordinatorError("BAD_SIGNATURE", "expected a join signed by the device's key, it does not verify");
    }
    if (current.engine.progress.state !== "selecting") return this.#full();
    // After the last pause: a withdrawal that came meanwhile counts.
    const consentIndex = this.#consent(device);
    if (current.eligible?.members.get(device.subject) !== consentIndex) throw this.#noConsent();
    current.declined.delete(device.subject);
    current.engine.join({
      device,
      consentIndex,
      // A copy: what came lies in a piece of memory of 8 KiB, which would be kept with it for each member of the cohort.
      joinSignature: new Uint8Array(join.signature),
      joinedMs: clock.now(),
      state: "joined",
      submitted: null,
      maskKey: null,
    });
    return { type: "joined", notice: current.engine.notice };
  }

  #nothing(): CheckIn {
    return { type: "idle", idle: this.#options.idle() };
  }

  #full(): CheckIn {
    return { type: "idle", idle: { ...this.#options.idle(), reason: "full" } };
  }

  /**
   * The consent entry that a device's part in a round rests on: valid now, and given under the key that signs for the device,
   * which is the one that an auditor verifies its join by.
   *
   * @throws CoordinatorError NO_CONSENT
   */
  #consent(device: Device): number {
    const { ledger, clock, schedule } = this.#options;
    const { state, record, index } = ledger.view.status(device.subject, schedule.purpose, clock.now());
    const isOwn = record?.key === Buffer.from(device.publicKey).toString("base64url");
    if (state !== "given" || !isOwn) throw this.#noConsent();
    return index;
  }

  #noConsent(): CoordinatorError {
    return new CoordinatorError(
      "NO_CONSENT",
      `expected a consent in force for "${this.#options.schedule.purpose}" when the round was planned, and budget left; there is none`,
    );
  }
}
