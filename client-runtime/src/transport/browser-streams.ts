// Streams that hold a browser's few connections. Browsers keep six to a host over HTTP/1.1, for all tabs and workers together;
// over HTTP/2, which they speak only under https, there is no such limit.
import { ClientError } from "../errors.js";

const CONNECTIONS = 6;
/** One is left for calls that are answered at once. */
const MOST_STREAMS: number = CONNECTIONS - 1;

/** Counts the streams of a browser to one address, in all its tabs and workers: each holds a lock that all share. */
export class BrowserStreams {
  readonly #locks: LockManager;
  readonly #name: string;

  constructor(baseUrl: string, locks: LockManager) {
    this.#locks = locks;
    this.#name = `fedloop streams ${baseUrl}`;
  }

  /** Those of this browser, where it has few connections to the address. */
  static to(baseUrl: string): BrowserStreams | undefined {
    const isBrowser = "document" in globalThis || "WorkerGlobalScope" in globalThis;
    const locks = isBrowser && baseUrl.startsWith("http:") ? globalThis.navigator.locks : undefined;
    return locks === undefined ? undefined : new BrowserStreams(baseUrl, locks);
  }

  /**
   * Counts one more.
   *
   * @returns what counts it no more
   * @throws ClientError BAD_OPTION when it would take the last connection: nothing could be said to the coordinator any more
   */
  async open(): Promise<() => void> {
    if ((await this.#count()) >= MOST_STREAMS) {
      throw new ClientError(
        "BAD_OPTION",
        `expected at most ${MOST_STREAMS} participants in one browser over http, came one more: each holds one of the ${CONNECTIONS} connections that a browser keeps to a host over HTTP/1.1; let them reach the coordinator over https with HTTP/2`,
      );
    }
    return new Promise((opened) => {
      const hold = (): Promise<void> => new Promise((close) => opened(close));
      void this.#locks.request(this.#name, { mode: "shared" }, hold);
    });
  }

  /**
   * Whether so many are open that calls which the coordinator holds back, one for each participant, would take the other
   * connections, and whoever is waited for could not make its own.
   */
  async areMany(): Promise<boolean> {
    return 2 * (await this.#count()) > CONNECTIONS;
  }

  async #count(): Promise<number> {
    const { held = [] } = await this.#locks.query();
    return held.filter(({ name }) => name === this.#name).length;
  }
}
