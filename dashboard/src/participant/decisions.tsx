import type { Participant } from "@fedloop/client-runtime";
import type { JSX } from "preact";
import { at } from "../theme/figures.js";

export interface ActProps {
  readonly isBusy: boolean;
  /** Does something and says what came of it. */
  readonly act: (work: () => Promise<string>) => Promise<void>;
}

export interface DecisionsProps extends ActProps {
  readonly participant: Participant;
  readonly purpose: string;
}

const WORDS: Readonly<Record<string, string>> = {
  given: "You have consented.",
  refused: "You have refused.",
  withdrawn: "You have withdrawn your consent.",
};

/** What was decided last, and how to decide otherwise. */
export function Decisions({ participant, purpose, isBusy, act }: DecisionsProps): JSX.Element {
  const consent = participant.consents[purpose];
  const isGiven = consent?.state === "given";
  const withdraw = (): Promise<void> =>
    act(async () => {
      await participant.withdraw(purpose);
      return "Your withdrawal is in the log. Nothing of yours is used from now on.";
    });
  const ask = (): Promise<void> =>
    act(async () => {
      await participant.ask(purpose);
      return "Your answer is in the log.";
    });
  return (
    <div>
      <h3>Your decision</h3>
      <p>
        <span class={`badge ${isGiven ? "good" : ""}`}>{consent?.state ?? "open"}</span>{" "}
        {WORDS[consent?.state ?? ""] ?? ""}
        {consent?.index === null && (
          <span class="warning"> It holds here, and is sent to the log as soon as that can be reached.</span>
        )}
        {consent?.validUntil != null && ` Valid until ${at(consent.validUntil)}.`}
      </p>
      <div class="buttons">
        {isGiven ? (
          <button type="button" disabled={isBusy} onClick={withdraw}>
            Withdraw
          </button>
        ) : (
          <button type="button" disabled={isBusy} onClick={ask}>
            Read the notice and decide anew
          </button>
        )}
      </div>
    </div>
  );
}
