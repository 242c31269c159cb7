import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import type { ActProps } from "./decisions.js";
import type { Membership } from "./membership.js";

export interface RightsProps extends ActProps {
  readonly membership: Membership;
  /** Told when nothing is left of the participant. */
  readonly onForgotten: () => void;
}

/** Access and erasure, one button each. */
export function Rights({ membership, isBusy, act, onForgotten }: RightsProps): JSX.Element {
  const { participant, forget } = membership;
  const [exported, setExported] = useState<string>();
  const sure = useRef<HTMLDialogElement>(null);
  const show = (): Promise<void> =>
    act(async () => {
      setExported(JSON.stringify(await participant.export(), undefined, 2));
      return "This is everything that this browser and the coordinator hold about you.";
    });
  const save = (text: string): void => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = `${participant.subject}.json`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  const erase = (): Promise<void> =>
    act(async () => {
      sure.current?.close();
      const receipt = await participant.erase();
      await forget();
      save(JSON.stringify(receipt, undefined, 2));
      onForgotten();
      return "Everything about you is erased. The proof of it was saved as a file: it is all that is left.";
    });
  return (
    <div>
      <h3>Your data</h3>
      <div class="buttons">
        <button type="button" disabled={isBusy} onClick={show}>
          Show everything that is kept about me
        </button>
        {exported !== undefined && (
          <button type="button" onClick={() => save(exported)}>
            Save it as a file
          </button>
        )}
        <button type="button" class="danger" disabled={isBusy} onClick={() => sure.current?.showModal()}>
          Erase everything
        </button>
      </div>
      {exported !== undefined && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls needs the focus
        <section tabIndex={0} aria-label="export">
          <pre class="export">{exported}</pre>
        </section>
      )}
      <dialog ref={sure} aria-labelledby={`sure-${participant.subject}`}>
        <h2 id={`sure-${participant.subject}`}>Erase everything about you?</h2>
        <p>
          Your consents are withdrawn, the coordinator destroys your key and all it holds outside the log, and this
          browser forgets you. It cannot be undone.
        </p>
        <div class="buttons">
          <button type="button" onClick={() => sure.current?.close()}>
            Keep it
          </button>
          <button type="button" class="danger" onClick={erase}>
            Erase
          </button>
        </div>
      </dialog>
    </div>
  );
}
