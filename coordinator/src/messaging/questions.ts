import type { NatsConnection } from "@nats-io/transport-node";

/** How long a question waits for a connection, milliseconds. */
const CONNECTION_MS = 5_000;

/**
 * Questions to a message server that may crash: one that was started again knows of none of them. So they are asked while there
 * is a connection, end when it breaks, and never wait longer than they may.
 */
export class Questions {
  readonly #connection: NatsConnection;
  readonly #cut = new Set<(why: string) => void>();
  readonly #onUp = new Set<() => void>();
  #isUp = true;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
    void this.#follow();
  }

  /** Calls back whenever the connection is there again. */
  onReconnect(back: () => void): void {
    this.#onUp.add(back);
  }

  /**
   * @param ask called once there is a connection
   * @param limitMs for the answer
   * @throws Error what `ask` throws, or that there was no answer: no connection, one that broke, or the time is over
   */
  ask<T>(ask: () => Promise<T>, limitMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      let isAsked = false;
      const end = (why: string): void => {
        done();
        reject(new Error(why));
      };
      const cut = (why: string): void => {
        // What is not asked yet goes on waiting for a connection.
        if (isAsked) end(why);
      };
      const begin = (): void => {
        if (isAsked) return;
        isAsked = true;
        clearTimeout(timer);
        timer = setTimeout(end, limitMs, `the message server has not answered within ${limitMs} ms`);
        ask().then(resolve, reject).finally(done);
      };
      const done = (): void => {
        clearTimeout(timer);
        this.#cut.delete(cut);
        this.#onUp.delete(begin);
      };
      let timer = setTimeout(end, CONNECTION_MS, `no connection to the message server within ${CONNECTION_MS} ms`);
      this.#cut.add(cut);
      this.#onUp.add(begin);
      // Of one that is closed the answer comes at once, and is an error.
      if (this.#isUp || this.#connection.isClosed()) begin();
    });
  }

  async #follow(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type === "disconnect") this.#down();
      else if (type === "reconnect") {
        this.#isUp = true;
        for (const up of [...this.#onUp]) up();
      }
    }
    this.#down();
  }

  #down(): void {
    this.#isUp = false;
    for (const cut of [...this.#cut]) cut("the connection to the message server broke");
  }
}
