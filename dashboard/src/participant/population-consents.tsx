import { ClientError, type Decision, type Notice } from "@fedloop/client-runtime";
import type { JSX } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import { Decisions } from "./decisions.js";
import { isKnown, type Membership, openMembership } from "./membership.js";
import { NoticeDialog, type Question } from "./notice-dialog.js";
import type { Offer } from "./offers.js";
import { Receipts } from "./receipts.js";
import { Rights } from "./rights.js";

export interface PopulationConsentsProps {
  readonly offer: Offer;
  readonly jurisdiction: string;
}

/** A failure as a sentence for whom it concerns. */
function told(cause: unknown): string {
  return cause instanceof ClientError ? `${cause.message} (${cause.code})` : String(cause);
}

/** One population: who asks, what was answered, and what the person can do. */
export function PopulationConsents({ offer, jurisdiction }: PopulationConsentsProps): JSX.Element {
  const { population, controller, purpose, dataCategories } = offer;
  const [membership, setMembership] = useState<Membership>();
  const [question, setQuestion] = useState<Question>();
  const [isBusy, setBusy] = useState(false);
  const [said, setSaid] = useState("");
  const [failure, setFailure] = useState<string>();
  // The participant is no part of the page's state: what it says is read anew after each act.
  const [, setActs] = useState(0);

  const decide = useCallback(
    (notice: Notice, about: string): Promise<Decision> =>
      new Promise((resolve) => {
        const answer = (decision: Decision): void => {
          setQuestion(undefined);
          resolve(decision);
        };
        setQuestion({ notice, purpose: about, answer });
      }),
    [],
  );
  const act = async (work: () => Promise<string>): Promise<void> => {
    setBusy(true);
    setFailure(undefined);
    setSaid("");
    try {
      setSaid(await work());
    } catch (cause) {
      setFailure(told(cause));
    }
    setActs((acts) => acts + 1);
    setBusy(false);
  };
  const open = (): Promise<void> =>
    act(async () => {
      setMembership(await openMembership(offer, jurisdiction, decide));
      return "";
    });
  useEffect(() => {
    void isKnown(offer).then((known) => (known ? open() : undefined));
  }, []);

  return (
    <section class="card" aria-labelledby={`title-${population}`} aria-busy={isBusy}>
      <h2 id={`title-${population}`}>{population}</h2>
      <dl class="facts">
        <dt>Asked by</dt>
        <dd>{controller}</dd>
        <dt>Purpose</dt>
        <dd>{purpose}</dd>
        <dt>Data</dt>
        <dd>{dataCategories.join(", ")}: they stay on your device</dd>
      </dl>
      <div role="status" aria-live="polite">
        {said !== "" && <p class="good">{said}</p>}
      </div>
      {failure !== undefined && (
        <p class="critical" role="alert">
          {failure}
        </p>
      )}
      {membership === undefined ? (
        <>
          <p class="quiet">This browser has not been asked yet, or has forgotten. Nothing is used.</p>
          <div class="buttons">
            <button type="button" class="main" disabled={isBusy} onClick={open}>
              Read the notice and decide
            </button>
          </div>
        </>
      ) : (
        <>
          <Decisions participant={membership.participant} purpose={purpose} isBusy={isBusy} act={act} />
          <Receipts participant={membership.participant} />
          <Rights membership={membership} isBusy={isBusy} act={act} onForgotten={() => setMembership(undefined)} />
        </>
      )}
      {question !== undefined && <NoticeDialog question={question} />}
    </section>
  );
}
