import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from "node:http2";
import { FLOW_CONTROL_WINDOW_BYTES } from "@fedloop/proto";

/** How a connection that died without a word, or is never made, is noticed, so that no round event is waited for in vain. */
export interface ConnectionTimes {
  /** After so long without a word from the other side it is asked for one, milliseconds. */
  readonly silenceMs: number;
  /** It has so long to answer, milliseconds: more than the longest that a busy coordinator keeps its event loop. */
  readonly answerMs: number;
  /** A connection has so long to be made, milliseconds. */
  readonly connectMs: number;
}

/** Ten thousand devices that only listen cost a coordinator half a hundredth of its time: 10 µs for each of 500 pings a second. */
const TIMES: ConnectionTimes = { silenceMs: 20_000, answerMs: 20_000, connectMs: 20_000 };
/** For so long after a failure nobody tries again: the calls of a process fail at once, and come back as their retries have it. */
const PAUSE_MS = 100;

/**
 * One HTTP/2 connection, made when a call needs it and made anew when it broke. It keeps the process alive only while there
 * are calls.
 */
export class GrpcConnection {
  readonly #authority: string;
  readonly #tls: SecureClientSessionOptions;
  readonly #times: ConnectionTimes;
  #session: Promise<ClientHttp2Session> | undefined;
  #current: ClientHttp2Session | undefined;
  #failure: { readonly cause: unknown; readonly untilMs: number } | undefined;
  #calls = 0;
  #isClosed = false;

  /** @param authority "http://host:port" or "https://host:port" */
  constructor(authority: string, tls: SecureClientSessionOptions, times: ConnectionTimes = TIMES) {
    this.#times = times;
    this.#authority = authority;
    this.#tls = tls;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Opens a stream. @throws what the connection failed with */
  async request(headers: OutgoingHttpHeaders): Promise<ClientHttp2Stream> {
    let session = await (this.#session ?? this.#connected());
    // Its streams end a moment before it is gone.
    if (session.destroyed && this.#current === session) {
      this.#session = undefined;
      session = await this.#connected();
    }
    const stream = session.request(headers);
    this.#calls += 1;
    session.ref();
    stream.once("close", () => {
      this.#calls -= 1;
      if (this.#calls === 0) session.unref();
    });
    return stream;
  }

  /** Ends the connection, and with it all calls. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const session = await this.#session?.catch(() => undefined);
    session?.destroy();
  }

  /** The connection, or the one in the making. */
  async #connected(): Promise<ClientHttp2Session> {
    if (this.#isClosed) throw new Error("the transport is closed");
    if (this.#failure !== undefined && performance.now() < this.#failure.untilMs) throw this.#failure.cause;
    this.#session ??= this.#connect().catch((cause) => {
      this.#session = undefined;
      this.#failure = { cause, untilMs: performance.now() + PAUSE_MS };
      throw cause;
    });
    return this.#session;
  }

  #connect(): Promise<ClientHttp2Session> {
    return new Promise((resolve, reject) => {
      const session = connect(this.#authority, {
        ...this.#tls,
        // All that the participants of a process send at a time; they bound it themselves.
        maxSessionMemory: Number.MAX_SAFE_INTEGER,
        settings: { enablePush: false, initialWindowSize: FLOW_CONTROL_WINDOW_BYTES },
      });
      const late = setTimeout(() => session.destroy(new Error("no connection in time")), this.#times.connectMs);
      // A call may have made the next connection before this one is wholly gone.
      const forget = (): void => {
        if (this.#current === session) this.#session = undefined;
      };
      let keepalive: NodeJS.Timeout | undefined;
      session.once("connect", () => {
        // Node tells of a connection even when the session was given up a moment before, and nothing can be asked of it then.
        if (session.destroyed) return;
        clearTimeout(late);
        this.#current = session;
        session.setLocalWindowSize(FLOW_CONTROL_WINDOW_BYTES);
        keepalive = keepAlive(session, this.#times);
        resolve(session);
      });
      session.on("error", reject);
      // A server that goes down takes no new calls; those under way may end.
      session.once("goaway", forget);
      session.once("close", () => {
        clearTimeout(late);
        clearInterval(keepalive);
        forget();
        reject(new Error("the connection was closed"));
      });
    });
  }
}

function keepAlive(session: ClientHttp2Session, { silenceMs, answerMs }: ConnectionTimes): NodeJS.Timeout {
  let heardBytes = 0;
  return setInterval(() => {
    if (session.destroyed) return;
    const { bytesRead } = session.socket;
    if (bytesRead !== heardBytes) {
      heardBytes = bytesRead;
      return;
    }
    const dead = setTimeout(() => session.destroy(), answerMs).unref();
    const isAsked = session.ping(() => {
      clearTimeout(dead);
      // What answers is no sign of life by itself.
      if (!session.destroyed) heardBytes = session.socket.bytesRead;
    });
    if (!isAsked) clearTimeout(dead);
  }, silenceMs).unref();
}
