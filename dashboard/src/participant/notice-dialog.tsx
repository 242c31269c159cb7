import type { Decision, Notice } from "@fedloop/client-runtime";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** A question that waits for its answer. */
export interface Question {
  readonly notice: Notice;
  readonly purpose: string;
  readonly answer: (decision: Decision) => void;
}

/** Shows exactly the bytes that the consent record will name by their hash, and asks. Yes and no weigh the same. */
export function NoticeDialog({ question }: { readonly question: Question }): JSX.Element {
  const { notice, purpose, answer } = question;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const isAgainstSignal = Reflect.get(navigator, "globalPrivacyControl") === true;
  const decide = (given: boolean): void => {
    dialog.current?.close();
    answer({ given, ...(given && isAgainstSignal ? { conflictConfirmed: true } : {}) });
  };
  const { epsilon, delta } = notice.limits;
  return (
    <dialog
      ref={dialog}
      aria-labelledby="question"
      onCancel={(event) => {
        // Escape says no: silence is not consent.
        event.preventDefault();
        decide(false);
      }}
    >
      <h2 id="question">
        May {notice.controller} use your data for “{purpose}”?
      </h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls needs the focus */}
      <pre class="notice" tabIndex={0} lang={notice.language}>
        {new TextDecoder().decode(notice.bytes)}
      </pre>
      <p class="quiet">
        Policy {notice.policy}.{" "}
        {epsilon === "unbounded"
          ? "No bound is set on what the rounds together may reveal about you."
          : `All rounds together reveal about you at most what ε ${epsilon} at δ ${delta} allows.`}
      </p>
      {isAgainstSignal && (
        <p class="warning">Your browser sends Global Privacy Control. A yes makes an exception for this purpose.</p>
      )}
      <div class="buttons">
        <button type="button" onClick={() => decide(true)}>
          Yes, I consent
        </button>
        <button type="button" onClick={() => decide(false)}>
          No, I refuse
        </button>
      </div>
    </dialog>
  );
}
