/** A coordinator's HTTP face, asked by a device and an operator whose calls are right in all but what they say. */
import { Agent, request } from "node:http";
import type { DescMethod } from "@bufbuild/protobuf";
import { connectTransport } from "@fedloop/client-runtime/connect";
import {
  Broken,
  below,
  type Draw,
  type Fuzzed,
  fixed,
  mutateBytes,
  mutateJson,
  mutateText,
  one,
  utf8,
} from "@fedloop/fuzz";
import {
  Artifacts,
  Consent,
  Enrollment,
  encodeMessage,
  METADATA,
  methodPath,
  Rounds,
  Transparency,
} from "@fedloop/proto";
import type { Test } from "tap";
import { openWithApi } from "../admin/api.js";
import { RawDevice } from "../rpc/raw-device.js";
import { POPULATION } from "../server/plans.js";
import { sample } from "./proto-table.js";

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

interface Told {
  readonly status: number;
  readonly body: Buffer;
}

/** What HTTP says for "no". */
class Refused extends Error {}

const MOST_ANSWER_BYTES = 4 << 20;
/** A call may wait for a round as long as its caller says: a test does not. */
const PATIENCE_MS = 1_000;
/** Device and session end with these; their requests hold a population's name only. */
const ENDS: ReadonlySet<string> = new Set(["leave", "rotateKey", "erase"]);

export interface Served {
  readonly table: readonly Fuzzed[];
  /** What callers saw as INTERNAL. */
  readonly faults: readonly unknown[];
}

export async function serve(t: Test): Promise<Served> {
  const { federation, base, token } = await openWithApi(t);
  const device = await RawDevice.enter(connectTransport({ baseUrl: base }));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const { hostname, port } = new URL(base);
  const ask = ({ method, path, headers, body }: Asked): Promise<Told | undefined> =>
    new Promise((resolve, reject) => {
      const call = request({
        hostname,
        port,
        agent,
        method,
        path,
        headers: { ...headers, "content-length": body.length },
      });
      const waited = setTimeout(() => {
        call.destroy();
        resolve(undefined);
      }, PATIENCE_MS);
      call.on("response", (answer) => {
        const parts: Buffer[] = [];
        let bytes = 0;
        answer.on("data", (part: Buffer) => {
          bytes += part.length;
          if (bytes > MOST_ANSWER_BYTES) call.destroy(new Broken("an answer of more than 4 MiB"));
          parts.push(part);
        });
        answer.on("end", () => {
          clearTimeout(waited);
          resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(parts) });
        });
        answer.on("error", reject);
      });
      call.on("error", (cause) => {
        clearTimeout(waited);
        reject(cause);
      });
      call.end(body);
    });
  /** Answers, and refuses in words of its own: JSON with a code. */
  const decode = async (asked: Asked): Promise<void> => {
    const told = await ask(asked);
    if (federation.faults.length > 0) throw new Broken(`a fault: ${String(federation.faults[0])}`);
    if (told === undefined || told.status < 400) return;
    // HEAD has no body, and neither has Connect's answer to a type that it does not speak.
    const isSilent = asked.method === "HEAD" || told.status === 415;
    const code = isSilent && told.body.length === 0 && told.status < 500 ? "none" : codeOf(told.body.toString());
    if (code === undefined || code === "INTERNAL")
      throw new Broken(`${told.status} with ${told.body.toString().slice(0, 300)}`);
    throw new Refused(code);
  };
  const isRefusal = (cause: unknown): boolean => cause instanceof Refused;
  return {
    faults: federation.faults,
    table: [
      { name: "calls over Connect", inputs: 600, valid: [], make: connectCalls(device), decode, isRefusal },
      { name: "the admin API", inputs: 600, valid: [], make: adminCalls(token), decode, isRefusal },
      { name: "tiles and pages", inputs: 600, valid: [], make: paths, decode, isRefusal },
    ],
  };
}

function codeOf(text: string): string | undefined {
  try {
    const told = JSON.parse(text);
    return told.code ?? told.error?.code;
  } catch {
    return undefined;
  }
}

function connectCalls(device: RawDevice): (draw: Draw) => Asked {
  const methods = [Artifacts, Consent, Enrollment, Rounds, Transparency]
    .flatMap((service): readonly DescMethod[] => service.methods)
    .filter(({ localName }) => !ENDS.has(localName));
  return (draw) => {
    const method = one(draw, methods);
    const seed = { ...sample(method.input, 1 + below(draw, 3)), population: POPULATION };
    const message = mutateBytes([encodeMessage(method.input, seed)], draw);
    const isStream = method.methodKind !== "unary";
    const envelope = Buffer.alloc(isStream ? 5 : 0);
    if (isStream) envelope.writeUInt32BE(draw() < 0.9 ? message.length : one(draw, [0, 1, 2 ** 31, 2 ** 32 - 1]), 1);
    if (isStream && draw() < 0.1) envelope[0] = below(draw, 256);
    const type = isStream ? "application/connect+proto" : "application/proto";
    const headers: Record<string, string> = {
      ...signed(device, method, message),
      "content-type":
        draw() < 0.95 ? type : one(draw, ["application/json", "text/plain", "application/proto; charset=x"]),
      "connect-protocol-version": draw() < 0.97 ? "1" : one(draw, ["0", "2", "x"]),
    };
    if (draw() < 0.05) headers[one(draw, Object.values(METADATA))] = one(draw, ["", "x", "9".repeat(400), "-1", "é"]);
    if (draw() < 0.03) headers["content-encoding"] = one(draw, ["gzip", "br", "x"]);
    return { method: "POST", path: methodPath(method), headers, body: Buffer.concat([envelope, message]) };
  };
}

/** Signed as it is sent; what has no fields to sign goes out with a signature of nothing. */
function signed(device: RawDevice, method: DescMethod, body: Uint8Array): Record<string, string> {
  try {
    return device.metadata(method, body);
  } catch {
    return device.metadata(method, body, { signedBody: new Uint8Array(0) });
  }
}

function adminCalls(token: string): (draw: Draw) => Asked {
  const reads = ["populations", `populations/${POPULATION}`, "rounds?limit=5", "models", "ledger", "alerts", "answers"];
  const writes = [
    `populations/${POPULATION}/resume`,
    `populations/${POPULATION}/rounds/1/abandon`,
    `populations/${POPULATION}/models/1/promote`,
    `populations/${POPULATION}/models/1/rollback`,
    "webhooks/ops/test",
  ];
  const bodies = ["{}", '{"reason":"a test"}', '{"a":{"b":[1,2,{"c":null}]}}'];
  let key = 0;
  return (draw) => {
    const isRead = draw() < 0.3;
    const path = mutateText([one(draw, isRead ? reads : writes)], draw);
    return {
      method: isRead ? "GET" : "POST",
      path: `/api/v1/${draw() < 0.6 ? one(draw, isRead ? reads : writes) : inPath(path)}`,
      headers: {
        authorization:
          draw() < 0.95 ? `Bearer ${token}` : one(draw, ["Bearer x", "Basic eDp5", "", `Bearer ${token}x`]),
        "idempotency-key": draw() < 0.9 ? `key-${key++}` : one(draw, ["", "x".repeat(300), "key-1"]),
        ...(isRead ? {} : { "content-type": draw() < 0.95 ? "application/json" : one(draw, ["text/plain", "x"]) }),
      },
      body: isRead ? new Uint8Array(0) : utf8(mutateJson(bodies, draw)),
    };
  };
}

function paths(draw: Draw): Asked {
  const known = ["checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3", "healthz", "readyz", "dashboard/", "metrics"];
  const path = inPath(mutateText(known, draw));
  const body = draw() < 0.1 ? fixed(below(draw, 100), 1) : new Uint8Array(0);
  return { method: one(draw, ["GET", "GET", "GET", "HEAD", "POST", "PUT"]), path: `/${path}`, headers: {}, body };
}

/** As a path that HTTP carries; a lone surrogate has no place in one. */
function inPath(text: string): string {
  return encodeURI(Buffer.from(text).toString());
}
