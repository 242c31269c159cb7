// A person's decisions in all tabs, where one of them knows: the one with the participant.
import { type ConsentSource, Listeners } from "./gate.js";

type Decision = ReturnType<ConsentSource["decision"]>;
const DECISIONS: readonly Decision[] = ["given", "refused", "not-asked"];

function isDecisions(value: unknown): value is Readonly<Record<string, Decision>> {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.values(value).every((decision) => DECISIONS.some((known) => known === decision))
  );
}

/** Decisions as the tab that knows them tells. Until it has, nobody was asked, so nothing is captured. */
export class TabConsent implements ConsentSource {
  readonly #channel: BroadcastChannel;
  readonly #purposes: readonly string[];
  readonly #listeners = new Listeners();
  #source: ConsentSource | undefined;
  #told: Readonly<Record<string, Decision>> = {};

  /** @param name the same in all tabs of an app */
  constructor(name: string, purposes: readonly string[]) {
    this.#purposes = purposes;
    this.#channel = new BroadcastChannel(`fedloop/${name}/consent`);
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (data === null) this.#tell();
      else if (this.#source === undefined && isDecisions(data)) {
        this.#told = data;
        this.#listeners.call();
      }
    };
    this.#channel.postMessage(null);
  }

  decision(purpose: string): Decision {
    if (this.#source !== undefined) return this.#source.decision(purpose);
    return Object.hasOwn(this.#told, purpose) ? (this.#told[purpose] ?? "not-asked") : "not-asked";
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * This tab knows from now on, and tells the others.
   *
   * @returns what ends it; what was told last holds on
   */
  attach(source: ConsentSource): () => void {
    this.#source = source;
    const changed = (): void => {
      this.#listeners.call();
      this.#tell();
    };
    const end = source.onChange(changed);
    changed();
    return () => {
      end();
      this.#told = this.#decisions();
      this.#source = undefined;
    };
  }

  close(): void {
    this.#channel.close();
  }

  #decisions(): Readonly<Record<string, Decision>> {
    return Object.fromEntries(this.#purposes.map((purpose) => [purpose, this.decision(purpose)]));
  }

  #tell(): void {
    if (this.#source !== undefined) this.#channel.postMessage(this.#decisions());
  }
}
