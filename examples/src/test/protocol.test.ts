/** docs/protocol.md against the code: its examples are computed, its rules are applied to recorded calls. */

import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, verify } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { biasedFactorisationTrainer, memoryStore, Participant, type Transport } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { nodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { packSigned, rotate, rotationSigns, systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import { SubmitMaskedRequestSchema } from "@fedloop/proto";
import t from "tap";
import { block, text } from "./documents.js";
import { crowd, ratingsOf } from "./people.js";
import { environment, repository, run, small, temporaryFolder } from "./surroundings.js";

const protocol = text("docs/protocol.md");

/** Numbers below 4 with an odd number of set bits. */
const ODD: ReadonlySet<number> = new Set([1, 2]);

/** PKCS #8 of an Ed25519 seed (RFC 8410). */
function privateKey(seed: Uint8Array): KeyObject {
  const head = Buffer.from("302e020100300506032b657004220420", "hex");
  return createPrivateKey({ key: Buffer.concat([head, seed]), format: "der", type: "pkcs8" });
}

function b64u(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

/** What section 2 says is signed for a request. */
function requestText(path: string, session: string, nonce: string, time: string, body: Uint8Array): Buffer {
  const digest = createHash("sha256").update(body).digest("hex");
  return Buffer.from(`fedloop-request/v1\n${path}\n${session}\n${nonce}\n${time}\n${digest}\n`);
}

/** A message less the bytes of one of its fields. */
function without(body: Uint8Array, bytes: Uint8Array): Buffer {
  const start = Buffer.from(body).indexOf(bytes);
  return Buffer.concat([body.subarray(0, start), body.subarray(start + bytes.length)]);
}

t.test("the worked example of authentication computes", async (t) => {
  const example = block(protocol, "vectors", "authentication");
  const value = (name: string): string => new RegExp(`^${name} +(\\S+)$`, "m").exec(example)?.[1] ?? "";
  const signatures = [...example.matchAll(/^signature +(\S+)$/gm)].map(([, signature = ""]) => signature);
  const key = privateKey(Uint8Array.from({ length: 32 }, (_, i) => i));
  const publicKey = b64u(createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32));
  t.equal(value("public key"), publicKey);

  const nonce = value("fedloop-nonce");
  t.equal(nonce, b64u(Buffer.alloc(16, 0x33)));
  const enroll = `fedloop-enroll/v1\nlecturers\n${publicKey}\n${nonce}\n${value("time_ms")}\n`;
  t.equal(signatures[0], b64u(sign(null, Buffer.from(enroll), key)));

  // Field 1, a string of nine bytes; field 2, a varint.
  const body = Buffer.concat([Buffer.from([0x0a, 9]), Buffer.from("lecturers"), Buffer.from([0x10, 7])]);
  t.equal(value("body"), body.toString("hex"));
  t.equal(value("SHA-256"), createHash("sha256").update(body).digest("hex"));
  const request = requestText(value("path"), value("fedloop-session"), nonce, value("fedloop-time"), body);
  t.equal(value("fedloop-signature"), b64u(sign(null, request, key)));

  const [, claim = ""] = /^ +(\{"log".*\})$/m.exec(example) ?? [];
  t.match(claim, `"plan":"${b64u(Buffer.alloc(32, 0x44))}"`);
  t.match(claim, `"subject":"${b64u(Buffer.alloc(16, 0x55))}"`);
  t.equal(signatures[1], b64u(sign(null, Buffer.from(`fedloop-join/v1\n${claim}`), key)));
});

t.test("the worked example of packing computes", async (t) => {
  const lines = block(protocol, "vectors", "packing").trimEnd().split("\n");
  t.equal(lines.length, 2);
  for (const line of lines) {
    const [, values = "", bits = "", bytes = ""] = /^values (.+) at (\d+) bits +(.+)$/.exec(line) ?? [];
    const packed = packSigned(Int32Array.from(values.split(", ").map(Number)), Number(bits));
    t.equal(Buffer.from(packed).toString("hex"), bytes.replaceAll(" ", ""), line);
  }
});

t.test("the worked example of rotation computes, as the text says and as the library does", async (t) => {
  const example = block(protocol, "vectors", "rotation");
  const numbers = (name: string): number[] =>
    (new RegExp(`^${name} +(.+)$`, "m").exec(example)?.[1] ?? "").split(", ").map(Number);
  const seed = new Uint8Array(32).fill(0x44);
  const hash = createHash("sha256").update("fedloop/rotation/v1").update(seed).update(new Uint8Array(4)).digest();
  const signs = [0, 1, 2, 3].map((i) => (((hash[i >> 3] ?? 0) >> (i & 7)) & 1 ? -1 : 1));
  t.strictSame(numbers("signs"), signs);
  t.strictSame([...rotationSigns(seed, 4)], signs);
  const signed = [1, 2, 3, 0].map((value, i) => value * (signs[i] ?? 0));
  // The entry of the transform is −1 where row and column share an odd number of set bits.
  const isOdd = (row: number, column: number): boolean => ODD.has(row & column);
  const rotated = signs.map(
    (_, row) => signed.reduce((sum, value, column) => sum + (isOdd(row, column) ? -value : value), 0) / 2,
  );
  t.strictSame(numbers("rotated"), rotated);
  const values = Float64Array.of(1, 2, 3, 0);
  rotate(values, rotationSigns(seed, 4));
  t.strictSame([...values], rotated);
});

t.test("every call of the services is in the document", async (t) => {
  const folder = join(repository, "proto", "fedloop", "v1");
  for (const file of readdirSync(folder)) {
    const source = text(join("proto", "fedloop", "v1", file));
    const [, service = ""] = /^service (\w+)/m.exec(source) ?? [];
    for (const [, call = ""] of source.matchAll(/^ {2}rpc (\w+)/gm)) {
      t.match(protocol, `\`${service}.${call}\``, `${service}.${call}`);
    }
  }
});

interface Recorded {
  readonly call: string;
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** A transport that notes what goes through it. */
function recording(inner: Transport, calls: Recorded[]): Transport {
  return {
    unary(method, request, options) {
      const { name, parent } = method;
      const path = `/${parent.typeName}/${name}`;
      calls.push({ call: `${parent.name}.${name}`, path, metadata: options.metadata, body: options.body });
      return inner.unary(method, request, options);
    },
    serverStream(method, request, options) {
      const { name, parent } = method;
      const path = `/${parent.typeName}/${name}`;
      calls.push({ call: `${parent.name}.${name}`, path, metadata: options.metadata, body: options.body });
      return inner.serverStream(method, request, options);
    },
    close: () => inner.close(),
  };
}

t.test("a participation makes the calls of section 3 in that order, each signed as section 2 says", async (t) => {
  const folder = temporaryFolder(t);
  const env = environment(folder);
  const coordinator = run("fedloop", ["serve"], { cwd: small, env });
  t.teardown(() => coordinator.stop());
  const address = await coordinator.address;
  t.capture(console, "log");
  const others = crowd(address, folder, 11);

  const calls: Recorded[] = [];
  const seed = new Uint8Array(randomBytes(32));
  const verifier = nodeVerifier();
  const transport = recording(grpcTransport({ address }), calls);
  const participant = await Participant.join({
    population: "lecturers-small",
    transport,
    store: memoryStore(),
    signer: nodeSigner(seed),
    verifier,
    trainer: biasedFactorisationTrainer(ratingsOf(11)),
    secureAggregation: nodeDeviceCrypto({ random: systemRandom(), verifier }),
    consent: {
      purposes: ["lecture-recommendations"],
      decide: () => true,
      dataCategories: ["lecture ratings"],
      storage: "nowhere",
      retention: "none",
      jurisdiction: "CH",
      withdrawal: "by this test",
      interface: "test",
    },
  });
  for await (const _ of participant.run());
  await participant.leave();
  await others;
  await transport.close();

  const [, section = ""] = /^## 3\.([\s\S]*?)^Withdrawing/m.exec(protocol) ?? [];
  const documented = section
    .split(/^ ?\d+\. /m)
    .slice(1)
    .flatMap((step) => [
      ...step.matchAll(/`(Enrollment|Consent|Transparency|Rounds|Artifacts)\.(\w+)`( without| with|)/g),
    ])
    .map(([, service, call]) => `${service}.${call}`);
  const first = (order: readonly string[]): string[] => [...new Set(order)];
  const outsideTheOrder = new Set([
    "Consent.GetConsent",
    // The receipt brings the proof along.
    "Transparency.GetConsistencyProof",
    "Artifacts.UploadChunk",
    // This model is so small that it comes with the place.
    "Artifacts.GetArtifact",
    "Enrollment.Leave",
  ]);
  const made = first(calls.map(({ call }) => call)).filter((call) => !outsideTheOrder.has(call));
  t.strictSame(
    made,
    first(documented).filter((call) => !outsideTheOrder.has(call)),
  );
  t.equal(calls.at(-1)?.call, "Enrollment.Leave");

  const publicKey = createPublicKey(privateKey(seed));
  const nonces = new Set<string>();
  for (const { call, path, metadata, body } of calls) {
    if (call === "Enrollment.Enroll" || call === "Consent.GetNotice" || call.startsWith("Transparency.")) {
      t.strictSame(metadata, {}, `${call} carries no signature`);
      continue;
    }
    const read = (name: string): string => metadata[`fedloop-${name}`] ?? "";
    const rest =
      call === "Rounds.SubmitMasked" ? without(body, fromBinary(SubmitMaskedRequestSchema, body).inlineUpdate) : body;
    const signed = requestText(path, read("session"), read("nonce"), read("time"), rest);
    t.ok(verify(null, signed, publicKey, Buffer.from(read("signature"), "base64url")), `${call} is signed`);
    t.equal(Buffer.from(read("device"), "base64url").length, 16);
    nonces.add(read("nonce"));
  }
  t.equal(nonces.size, calls.filter(({ metadata }) => "fedloop-nonce" in metadata).length, "no nonce serves twice");
});
