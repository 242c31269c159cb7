import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";
import { loadFileDescriptorSetFromBuffer } from "@grpc/proto-loader";
import t, { type Test } from "tap";
import * as z from "zod";
import { POPULATION, PURPOSE, ServeProcess, temporaryFolder, writeConfiguration } from "../processes/serve.js";
import { CallError, FORM, ForeignClient, loadContract, loadFile } from "./foreign-client.js";

const require = createRequire(import.meta.url);

const server = new ServeProcess(t, writeConfiguration(temporaryFolder(t)));

/** A foreign client of the server. */
async function start(
  t: Test,
): Promise<{ readonly client: ForeignClient; readonly address: string; readonly verifierKey: string }> {
  const { address, verifierKey } = await server.listening();
  const client = new ForeignClient(address);
  t.teardown(() => client.close());
  return { client, address, verifierKey };
}

const receipt = z.object({
  entry: z.instanceof(Buffer),
  index: z.string(),
  inclusion_path: z.array(z.instanceof(Buffer)),
  checkpoint: z.string(),
});

/** JSON with sorted keys: the restricted profile has no floats, so this is RFC 8785. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

/** RFC 9162 §2.1.3.2: the root that an inclusion path leads to. */
function rootFrom(entry: Buffer, index: number, size: number, path: readonly Buffer[]): string {
  let hash = createHash("sha256").update(Buffer.of(0)).update(entry).digest();
  let at = index;
  let last = size - 1;
  for (const sibling of path) {
    const isRight = at % 2 === 1 || at === last;
    const pair = isRight ? [sibling, hash] : [hash, sibling];
    hash = createHash("sha256").update(Buffer.of(1)).update(Buffer.concat(pair)).digest();
    while (isRight && at % 2 === 0 && at !== 0) {
      at >>= 1;
      last >>= 1;
    }
    at >>= 1;
    last >>= 1;
  }
  return hash.toString("base64");
}

t.test("a client made from the .proto files alone enrolls, signs and checks in", async (t) => {
  const { client, verifierKey } = await start(t);
  const answer = await client.enroll(POPULATION);
  t.equal(answer.device_id.length, 16);
  t.equal(answer.session.length, 16);
  t.match(answer.subject, /^[A-Za-z0-9_-]{22}$/);
  t.equal(answer.log.verifier_key, verifierKey);
  t.match(await client.call("Rounds", "CheckIn", { population: POPULATION }), {
    outcome: "wait",
    wait: { reason: "WAIT_REASON_NO_ROUND" },
  });
  t.match(await client.enroll(POPULATION), { subject: answer.subject }, "the same key is the same participant");
});

t.test("a failed call carries its reason in the trailer that the contract names", async (t) => {
  const { client } = await start(t);
  await client.enroll(POPULATION);
  const refused = await client.call("Rounds", "CheckIn", { population: "strangers" }).catch((cause: unknown) => cause);
  if (!(refused instanceof CallError)) throw new Error("expected the call to be refused");
  t.equal(refused.status, "NOT_FOUND");
  t.match(refused.detail, { code: "UNKNOWN_POPULATION", message: /expected/ });
  t.ok(Math.abs(Number(refused.detail?.server_time_ms) - Date.now()) < 60_000);
  client.session = "A".repeat(22);
  const expired = await client.call("Rounds", "CheckIn", { population: POPULATION }).catch((cause: unknown) => cause);
  t.match(expired, { detail: { code: "SESSION_EXPIRED" } });
});

t.test("the notice, its policy and the log's proofs can be checked by hand", async (t) => {
  const { client, verifierKey } = await start(t);
  const answer = z
    .object({ notice: z.instanceof(Buffer), media_type: z.string(), policy: receipt })
    .parse(await client.callOpen("fedloop.v1.Consent", "GetNotice", { population: POPULATION }));
  const { entry, index, inclusion_path: path, checkpoint } = answer.policy;
  const policy = z.object({ body: z.object({ notice: z.string() }) }).parse(JSON.parse(entry.toString()));
  t.equal(policy.body.notice, createHash("sha256").update(answer.notice).digest("base64url"));
  const [origin, size, root] = checkpoint.split("\n");
  t.equal(verifierKey.startsWith(`${origin}+`), true);
  t.equal(rootFrom(entry, Number(index), Number(size), path), root);
  t.match(await client.callOpen("fedloop.v1.Transparency", "GetCheckpoint", {}), { checkpoint });
});

t.test("a consent entry that is built and signed by hand is taken into the log", async (t) => {
  const { client } = await start(t);
  const { subject, log } = await client.enroll(POPULATION);
  const { policy: published } = z
    .object({ policy: receipt })
    .parse(await client.callOpen("fedloop.v1.Consent", "GetNotice", { population: POPULATION }));
  const { body: policy } = z
    .object({
      body: z.object({
        policy: z.number(),
        controller: z.string(),
        notice: z.string(),
        noticeUri: z.string(),
        language: z.string(),
      }),
    })
    .parse(JSON.parse(published.entry.toString()));
  const now = Date.now();
  const id = (name: string): string =>
    createHash("sha256").update(`${subject}/${name}`).digest().subarray(0, 16).toString("base64url");
  const record = {
    id: id("record"),
    subject,
    key: client.publicKey.toString("base64url"),
    population: POPULATION,
    purpose: PURPOSE,
    controller: policy.controller,
    notice: { uri: policy.noticeUri, sha256: policy.notice, language: policy.language },
    policy: policy.policy,
    basis: "consent",
    dataCategories: ["lecture ratings"],
    specialCategory: false,
    storage: "on the device",
    retention: "until withdrawn",
    jurisdiction: "CH",
    model: "opt-in",
    withdrawal: "in the app",
    event: { time: now, validUntil: null, state: "given" },
    interface: "a foreign client",
    signals: { gpc: false },
    limits: { epsilon: null, delta: null, rounds: null },
    supersedes: null,
  };
  const unsigned = {
    v: 1,
    type: "consent.given",
    log: log.origin,
    id: id("entry"),
    ts: now,
    actor: subject,
    aseq: 0,
    aprev: null,
    body: { record },
  };
  const sig = client.sign(`fedloop-ledger/v1\n${canonical(unsigned)}`).toString("base64url");
  const entry = Buffer.from(canonical({ ...unsigned, sig }));
  const answer = z.object({ receipt }).parse(await client.call("Consent", "RecordConsent", { entry }));
  t.same(answer.receipt.entry, entry);
  const [, size, root] = answer.receipt.checkpoint.split("\n");
  t.equal(rootFrom(entry, Number(answer.receipt.index), Number(size), answer.receipt.inclusion_path), root);
  t.match(await client.call("Consent", "GetConsent", { population: POPULATION, purpose: PURPOSE }), {
    latest: { index: answer.receipt.index },
    next_actor_sequence: "1",
  });
});

t.test("the health service says that the server serves", async (t) => {
  const { address } = await start(t);
  const health = loadFile(join(require.resolve("grpc-health-check"), "../../../proto/health/v1/health.proto"));
  const client = new ForeignClient(address, health);
  t.teardown(() => client.close());
  t.match(await client.callOpen("grpc.health.v1.Health", "Check", { service: "" }), { status: "SERVING" });
});

const reflected = z.object({
  list_services_response: z.object({ service: z.array(z.object({ name: z.string() })) }).nullish(),
  file_descriptor_response: z.object({ file_descriptor_proto: z.array(z.instanceof(Buffer)) }).nullish(),
});

/** descriptor.proto: a `FileDescriptorSet` is its files, each as field 1. */
function descriptorSet(files: readonly Buffer[]): Buffer {
  return Buffer.concat(
    files.flatMap((file) => {
      const length: number[] = [];
      for (let rest = file.length; rest > 0; rest = Math.floor(rest / 128))
        length.push((rest % 128) + (rest > 127 ? 128 : 0));
      return [Buffer.of(0x0a, ...length), file];
    }),
  );
}

t.test("a client that has no .proto file at all asks the server for them, as grpcurl does", async (t) => {
  const { address, verifierKey } = await start(t);
  const proto = join(require.resolve("@grpc/reflection"), "../../proto/grpc/reflection/v1/reflection.proto");
  const asking = new ForeignClient(address, loadFile(proto));
  t.teardown(() => asking.close());
  const ask = async (request: object): Promise<z.infer<typeof reflected>> => {
    return reflected.parse(
      await asking.converse("grpc.reflection.v1.ServerReflection", "ServerReflectionInfo", request),
    );
  };
  const { list_services_response: listed } = await ask({ list_services: "" });
  const names = listed?.service.map(({ name }) => name) ?? [];
  const services = ["Artifacts", "Consent", "Enrollment", "Rounds", "Transparency"].map((name) => `fedloop.v1.${name}`);
  t.same(names.filter((name) => name.startsWith("fedloop.")).sort(), services);
  const files: Buffer[] = [];
  for (const name of services) {
    const { file_descriptor_response: described } = await ask({ file_containing_symbol: name });
    for (const file of described?.file_descriptor_proto ?? []) {
      if (!files.some((known) => known.equals(file))) files.push(file);
    }
  }
  const contract = loadFileDescriptorSetFromBuffer(descriptorSet(files), FORM);
  for (const name of services) {
    t.same(Object.keys(contract[name] ?? {}).sort(), Object.keys(loadContract()[name] ?? {}).sort(), name);
  }
  const client = new ForeignClient(address, contract);
  t.teardown(() => client.close());
  const { log } = await client.enroll(POPULATION);
  t.equal(log.verifier_key, verifierKey);
});
