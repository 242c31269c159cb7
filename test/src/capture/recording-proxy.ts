import { once } from "node:events";
import http2, { type ClientHttp2Session, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { METADATA } from "@fedloop/proto";

/** One call, as it crossed the wire; bodies without their five-byte gRPC prefixes' meaning taken away: they are all there. */
export interface RecordedCall {
  /** `/fedloop.v1.Rounds/CheckIn`. */
  readonly path: string;
  /** The caller's device id, base64url; undefined for calls that are not signed. */
  readonly device: string | undefined;
  /** Headers and trailers, both ways. */
  readonly headers: string;
  readonly request: Buffer;
  readonly response: Buffer;
}

/** Room for the streams of a hundred devices on one connection. */
const SESSION = { maxSessionMemory: 1_000, peerMaxConcurrentStreams: 2 ** 20 };

/** Stands between devices and coordinator and keeps all that passes, decoded from HTTP/2 and in whole messages. */
export class RecordingProxy {
  readonly calls: RecordedCall[] = [];
  readonly #server = http2.createServer({ maxSessionMemory: SESSION.maxSessionMemory });
  readonly #upstreams = new Set<ClientHttp2Session>();

  /** @returns the address that devices are to call */
  async listen(coordinator: string): Promise<string> {
    this.#server.on("session", (session) => {
      const upstream = http2.connect(`http://${coordinator}`, SESSION);
      this.#upstreams.add(upstream);
      upstream.on("error", () => session.destroy());
      upstream.on("goaway", () => {
        this.#upstreams.delete(upstream);
        session.close();
      });
      session.on("error", () => upstream.destroy());
      session.on("close", () => upstream.close());
      upstream.on("close", () => this.#upstreams.delete(upstream));
      session.on("stream", (stream, headers) => this.#forward(upstream, stream, headers));
    });
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const upstream of this.#upstreams) upstream.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #forward(upstream: ClientHttp2Session, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    // A coordinator that stops takes no new call: the caller is told that this one was not begun.
    if (!this.#upstreams.has(upstream)) {
      stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
      return;
    }
    const out = upstream.request(headers, { endStream: false });
    const [request, response, told]: [Buffer[], Buffer[], IncomingHttpHeaders[]] = [[], [], [headers]];
    let trailers: IncomingHttpHeaders = {};
    stream.on("data", (bytes: Buffer) => request.push(bytes));
    stream.pipe(out);
    out.on("response", (answer, flags) => {
      told.push(answer);
      const isLast = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      stream.respond(answer, isLast ? { endStream: true } : { waitForTrailers: true });
      if (isLast) return;
      out.on("data", (bytes: Buffer) => response.push(bytes));
      out.pipe(stream);
    });
    out.on("trailers", (last) => {
      told.push(last);
      trailers = last;
    });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    out.on("error", () => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
    stream.on("error", () => out.close(http2.constants.NGHTTP2_CANCEL));
    stream.on("aborted", () => out.close(http2.constants.NGHTTP2_CANCEL));
    stream.on("close", () => {
      const device = headers[METADATA.device];
      this.calls.push({
        path: String(headers[":path"]),
        device: typeof device === "string" ? device : undefined,
        headers: JSON.stringify(told),
        request: Buffer.concat(request),
        response: Buffer.concat(response),
      });
    });
  }
}
