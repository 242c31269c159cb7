import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Test } from "tap";
import { WEBHOOK_EVENTS } from "../../src/webhooks/events.js";
import type { WebhookEndpoint } from "../../src/webhooks/sender.js";
import { temporaryFolder } from "../temporary-folder.js";

/** An endpoint at a URL, with a secret of its own. */
export function endpointFor(
  t: Test,
  url: string,
  changes: Partial<WebhookEndpoint> = {},
): { readonly secret: string; readonly endpoint: WebhookEndpoint } {
  const secret = `whsec_${randomBytes(32).toString("base64")}`;
  const secretFile = join(temporaryFolder(t), "secret");
  writeFileSync(secretFile, `${secret}\n`);
  const events = WEBHOOK_EVENTS.filter((event) => event !== "test");
  return { secret, endpoint: { name: "ops", url, secretFile, events, allowPrivate: true, ...changes } };
}

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Somebody who is told, over real HTTP. */
export class Receiver {
  readonly received: Received[] = [];
  /** The status of the next answers, in order; 200 when there are no more. */
  readonly statuses: number[] = [];
  readonly url: string;
  /** Waited for before each answer: the receiver has the message then, and its sender does not know it. */
  beforeAnswer: (received: Received) => Promise<void> = () => Promise.resolve();

  private constructor(url: string) {
    this.url = url;
  }

  static async open(t: Test): Promise<Receiver> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const receiver = new Receiver(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`);
    server.on("request", (request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += String(chunk);
      });
      request.on("end", () => {
        const received = { headers: request.headers, body };
        receiver.received.push(received);
        void receiver.beforeAnswer(received).then(() => response.writeHead(receiver.statuses.shift() ?? 200).end());
      });
    });
    t.teardown(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    return receiver;
  }
}
