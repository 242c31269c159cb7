// Buttons in every tab, acted on in the one that has the log.
import * as z from "zod/mini";

const said = z.union([z.strictObject({ act: z.string() }), z.strictObject({ done: z.string() })]);

/** What buttons do, by their ids. Each says what was done. */
export type Actions = Readonly<Record<string, () => Promise<string>>>;

/** One in each tab; the tab that has the log leads. */
export class TabActions {
  readonly #channel = new BroadcastChannel("learning-actions");
  readonly #tell: (done: string) => void;
  readonly #failed: (cause: unknown) => void;
  #actions: Actions | undefined;

  /** @param tell shows what was done, here or in another tab */
  constructor(tell: (done: string) => void, failed: (cause: unknown) => void) {
    this.#tell = tell;
    this.#failed = failed;
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      const parsed = z.safeParse(said, data);
      if (!parsed.success) return;
      if ("done" in parsed.data) tell(parsed.data.done);
      else if (this.#actions !== undefined) this.act(parsed.data.act);
    };
  }

  /** From now on this tab acts, for all. */
  lead(actions: Actions): void {
    this.#actions = actions;
  }

  /** Acts, or has the tab act that leads. */
  act(name: string): void {
    if (this.#actions === undefined) {
      this.#channel.postMessage({ act: name });
      return;
    }
    const act = Object.hasOwn(this.#actions, name) ? this.#actions[name] : undefined;
    act?.().then((done) => {
      this.#tell(done);
      this.#channel.postMessage({ done });
    }, this.#failed);
  }
}
