// Whether data may be used for a purpose: the device's signal first, then the person's own consent.
import type { AppParticipant, OwnConsent } from "@fedloop/client-runtime";

/** Why data may or may not be used for a purpose. */
export type PurposeState =
  | "allowed"
  /** The device sends Global Privacy Control, and the person has not confirmed this purpose against it. */
  | "global-privacy-control"
  /** Nobody has been asked yet. What is there is kept, nothing is added. */
  | "not-asked"
  /** Refused, withdrawn or expired: what is there is deleted. */
  | "refused";

/** Asked before each capture, each read and each report. */
export interface PurposeGate {
  state(purpose: string): PurposeState;
  /** Calls back when an answer may have changed. @returns what ends that */
  onChange(listener: () => void): () => void;
}

/** A person's decisions, wherever they are kept. */
export interface ConsentSource {
  decision(purpose: string): "given" | "refused" | "not-asked";
  onChange(listener: () => void): () => void;
}

/** Listeners to a change. */
export class Listeners {
  readonly #all = new Set<() => void>();

  add(listener: () => void): () => void {
    this.#all.add(listener);
    return () => this.#all.delete(listener);
  }

  call(): void {
    for (const listener of this.#all) listener();
  }
}

/** What a gate may be told. */
export interface GateOptions {
  /** Whether the device sends Global Privacy Control; `navigator.globalPrivacyControl` unless given. */
  readonly globalPrivacyControl?: () => boolean;
  /** Purposes for which the person was asked about, and confirmed, the conflict with that signal. */
  readonly conflictConfirmed?: readonly string[];
}

/** The signal as the browser has it (W3C Global Privacy Control, §4); false where there is none. */
export function browserPrivacyControl(): boolean {
  const navigator: unknown = Reflect.get(globalThis, "navigator");
  return typeof navigator === "object" && navigator !== null && Reflect.get(navigator, "globalPrivacyControl") === true;
}

/** A gate that asks for Global Privacy Control first, then for consent. */
export function purposeGate(consent: ConsentSource, options: GateOptions = {}): PurposeGate {
  const { globalPrivacyControl = browserPrivacyControl, conflictConfirmed = [] } = options;
  return {
    state(purpose) {
      const decision = consent.decision(purpose);
      if (decision === "refused") return "refused";
      if (globalPrivacyControl() && !conflictConfirmed.includes(purpose)) return "global-privacy-control";
      return decision === "given" ? "allowed" : "not-asked";
    },
    onChange: (listener) => consent.onChange(listener),
  };
}

/** Decisions that the app sets: for apps that keep consent elsewhere, and for tests. */
export class SettableConsent implements ConsentSource {
  readonly #decisions = new Map<string, "given" | "refused">();
  readonly #listeners = new Listeners();

  /** @param given purposes that the person has agreed to already */
  constructor(given: readonly string[] = []) {
    for (const purpose of given) this.#decisions.set(purpose, "given");
  }

  decision(purpose: string): "given" | "refused" | "not-asked" {
    return this.#decisions.get(purpose) ?? "not-asked";
  }

  set(purpose: string, decision: "given" | "refused"): void {
    this.#decisions.set(purpose, decision);
    this.#listeners.call();
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }
}

/** The consents of a participant of fedloop, as they stand in its log. */
export class ParticipantConsent implements ConsentSource {
  readonly #participant: Pick<AppParticipant, "consents" | "withdraw">;
  readonly #now: () => number;
  readonly #withdrawn = new Set<string>();
  readonly #listeners = new Listeners();

  /** @param now milliseconds since the epoch: consents can expire */
  constructor(participant: Pick<AppParticipant, "consents" | "withdraw">, now: () => number = Date.now) {
    this.#participant = participant;
    this.#now = now;
  }

  decision(purpose: string): "given" | "refused" | "not-asked" {
    const consent: OwnConsent | undefined = this.#participant.consents[purpose];
    if (this.#withdrawn.has(purpose)) return "refused";
    if (consent === undefined) return "not-asked";
    const expired = consent.validUntil !== null && consent.validUntil <= this.#now();
    return consent.state === "given" && !expired ? "given" : "refused";
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  /** To be called after the participant was asked anew. */
  refresh(): void {
    this.#withdrawn.clear();
    this.#listeners.call();
  }

  /**
   * Withdraws from a purpose. It holds here before the call has returned: capture stops and deletes. The promise is done
   * when the withdrawal is in the log; errors are those of the participant's `withdraw`.
   */
  async withdraw(purpose: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#withdrawn.add(purpose);
    this.#listeners.call();
    await this.#participant.withdraw(purpose, options);
  }
}
