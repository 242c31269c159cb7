/** The longest that training holds the thread, milliseconds. */
const LONGEST_HOLD_MS = 30;

/** Lets other work run when this has held the thread for long enough. */
export class Pause {
  #channel: MessageChannel | undefined;
  #sinceMs: number = performance.now();

  async take(): Promise<void> {
    if (performance.now() - this.#sinceMs < LONGEST_HOLD_MS) return;
    // Not a timer: browsers stretch those to a second where the page is hidden.
    this.#channel ??= new MessageChannel();
    const { port1, port2 } = this.#channel;
    await new Promise<void>((resolve) => {
      port1.onmessage = () => resolve();
      port2.postMessage(undefined);
    });
    this.#sinceMs = performance.now();
  }

  close(): void {
    this.#channel?.port1.close();
    this.#channel = undefined;
  }
}
