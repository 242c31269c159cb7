import { spawnSync } from "node:child_process";
import { randomBytes, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { memoryStore, Participant } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { nodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { type RandomSource, systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import t from "tap";
import { briskClock } from "../processes/brisk-clock.js";
import { FEDLOOP, ServeProcess, temporaryFolder } from "../processes/serve.js";

const POPULATION = "example";
/** What each device sends before noise and masks: a run of one number that nothing else has. */
const UPDATE = 0.123456;

/** A secret as it could stand in a text or a file. */
function spellings(secret: Uint8Array): Buffer[] {
  const bytes = Buffer.from(secret);
  const texts = [bytes.toString("hex"), bytes.toString("base64").replace(/=+$/, ""), bytes.toString("base64url")];
  return [bytes, ...texts.map((text) => Buffer.from(text)), Buffer.from(bytes.toString("hex").toUpperCase())];
}

/** Randomness that is remembered, so that seeds of masks can be looked for. */
function remembered(): { readonly random: RandomSource; readonly drawn: Uint8Array[] } {
  const inner = systemRandom();
  const drawn: Uint8Array[] = [];
  const fill = (bytes: Uint8Array): void => {
    inner.fill(bytes);
    if (bytes.length >= 16 && bytes.length <= 64) drawn.push(bytes.slice());
  };
  return { random: { fill }, drawn };
}

/** The certificate that a new connection is shown. */
async function serialAt(port: number): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2", "http/1.1"] });
  await once(socket, "secureConnect");
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

function serialOf(path: string): string {
  return new X509Certificate(readFileSync(path)).serialNumber;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function fedloop(folder: string, ...words: string[]): { readonly out: string; readonly err: string } {
  const { stdout, stderr } = spawnSync(process.execPath, [FEDLOOP, ...words], { cwd: folder, encoding: "utf8" });
  return { out: stdout, err: stderr };
}

t.test(
  "a whole federation, errors included, at the lowest log level: no secret in any output, error or file",
  async (t) => {
    t.setTimeout(300_000);
    const folder = temporaryFolder(t);
    fedloop(folder, "init", ".");
    const config = join(folder, "fedloop.yaml");
    const written = readFileSync(config, "utf8")
      .replace("port: 7443", "port: 0")
      .replace("port: 7480", "port: 0")
      .replace("mode: open", "mode: token");
    const webhookSecret = `whsec_${randomBytes(32).toString("base64")}`;
    writeFileSync(join(folder, "webhook.secret"), `${webhookSecret}\n`);
    // Nobody is there to be told.
    const hook = '{ name: ops, url: "http://127.0.0.1:1/", secretFile: webhook.secret, allowPrivate: true }';
    writeFileSync(
      config,
      `${written.replace("key: tls/server.key", "key: tls/server.key\n  reload: 1s")}\nlog: { level: debug }\nwebhooks: [${hook}]\n`,
    );
    const plan = readFileSync(join(folder, "plan.yaml"), "utf8")
      .replace("target: 100, minimum: 50", "target: 4, minimum: 3, overSelection: 1")
      .replace("rounds: 10", "rounds: 1")
      .replace("biased-factorisation", "test")
      .replace(/strategy: .*\n/, "");
    writeFileSync(join(folder, "plan.yaml"), plan);
    const { invitation } = JSON.parse(
      fedloop(folder, "invitations", "create", "--name", "all", "--uses", "4", "--json").out,
    );
    const { token } = JSON.parse(fedloop(folder, "tokens", "create", "--role", "viewer", "--name", "me", "--json").out);

    const server = new ServeProcess(t, config);
    const { address, http } = await server.listening();
    const ca = readFileSync(join(folder, "tls", "ca.pem"));
    const told: string[] = [];
    const errors = async (work: Promise<unknown>): Promise<void> => {
      await work.then(
        (value) => told.push(JSON.stringify(value) ?? ""),
        (cause: unknown) => {
          for (let each = cause; each instanceof Error; each = each.cause) told.push(`${each.message}\n${each.stack}`);
        },
      );
    };

    const verifier = nodeVerifier();
    const { random, drawn } = remembered();
    const seeds = Array.from({ length: 5 }, () => randomBytes(32));
    const transport = grpcTransport({
      address: address.replace("127.0.0.1", "localhost"),
      tls: { rootCertificates: ca },
    });
    t.teardown(() => transport.close());
    const enter = (seed: Uint8Array, given: string): Promise<Participant> =>
      Participant.join({
        population: POPULATION,
        transport,
        store: memoryStore(),
        signer: nodeSigner(seed),
        verifier,
        token: given,
        random,
        trainer: {
          id: "test",
          train: async ({ updateLength }) => ({ update: new Float32Array(updateLength).fill(UPDATE) }),
          evaluate: async ({ updateLength }) => new Float32Array(updateLength),
        },
        floors: { minimumCohort: 1, maximumEpsilonPerRound: 10, maximumEpsilon: 10, minimumNoiseMultiplier: 0 },
        secureAggregation: nodeDeviceCrypto({ random, verifier }),
        consent: {
          purposes: ["lecture-recommendations"],
          decide: () => true,
          dataCategories: ["lecture ratings"],
          storage: "on the device",
          retention: "until withdrawn",
          jurisdiction: "CH",
          withdrawal: "in the app",
          interface: "test",
        },
        clock: briskClock,
        retry: { attempts: 200, firstMs: 25, longestMs: 25 },
      });
    // Who comes with a wrong invitation, and who comes when it is used up.
    const wrong = `fedloop_invitation_${randomBytes(32).toString("base64url")}`;
    await errors(enter(seeds[4] ?? randomBytes(32), wrong));
    const participants = await Promise.all(seeds.slice(0, 4).map((seed) => enter(seed, invitation)));
    await errors(enter(randomBytes(32), invitation));
    let ended = 0;
    await Promise.all(
      participants.map(async (participant) => {
        for await (const event of participant.run()) {
          told.push(JSON.stringify(event, (_name, value: unknown) => (typeof value === "bigint" ? `${value}` : value)));
          if (event.type === "accepted" || event.type === "abandoned") ended += 1;
        }
      }),
    );
    t.ok(ended >= 3, "the round took place");

    // HTTP: a token of the right form that is none, the right one at the wrong place, bodies that are none.
    const { Agent, request } = await import("node:https");
    const agent = new Agent({ ca });
    t.teardown(() => agent.destroy());
    const ask = (path: string, authorization: string, body = ""): Promise<string> =>
      new Promise((resolve, reject) => {
        const method = body === "" ? "GET" : "POST";
        const headers = { authorization, "content-type": "application/json" };
        request(`${http.replace("127.0.0.1", "localhost")}${path}`, { agent, method, headers }, (response) => {
          let text = JSON.stringify(response.headers);
          response.on("data", (data) => {
            text += data;
          });
          response.on("end", () => resolve(`${response.statusCode} ${text}`));
        })
          .on("error", reject)
          .end(body);
      });
    const other = `${token.slice(0, -4)}AAAA`;
    for (const [path, authorization, body] of [
      ["/api/v1/populations", `Bearer ${other}`, ""],
      ["/api/v1/populations", `Bearer ${token}`, ""],
      ["/api/v1/nothing", `Bearer ${token}`, '{"a":'],
      [`/tile/${token}`, `Basic ${token}`, ""],
      ["/fedloop.v1.Rounds/CheckIn", `Bearer ${token}`, "no message"],
    ] as const) {
      await errors(ask(path, authorization, body));
    }

    // A renewal with the key of another certificate, and then one that can be used: both faces present it.
    const renewed = temporaryFolder(t);
    fedloop(renewed, "init", ".");
    const ports = [address, http].map((at) => Number(at.split(":").at(-1)));
    const presented = (): Promise<string[]> => Promise.all(ports.map(serialAt));
    const before = await presented();
    copyFileSync(join(renewed, "tls", "server.pem"), join(folder, "tls", "server.pem"));
    while (!server.log.includes('"the renewed certificates are not used"')) await presented();
    t.strictSame(await presented(), before, "what cannot be used changes nothing");
    copyFileSync(join(renewed, "tls", "server.key"), join(folder, "tls", "server.key"));
    while (!server.log.includes('"renewed certificates are in use"')) await presented();
    t.strictSame(new Set(await presented()), new Set([serialOf(join(renewed, "tls", "server.pem"))]));
    server.child.kill("SIGTERM");
    await server.exit();

    const keys = join(folder, "fedloop-data", "keys");
    const keyFiles = ["operator.key", "checkpoint.key", "noise.key", "cluster.key", "vault/1.key"].map((name) =>
      join(keys, name),
    );
    const tlsKeys = ["server.key", "client.key"].map((name) => join(folder, "tls", name));
    const secrets: [string, readonly Buffer[]][] = [
      ...keyFiles.map((path): [string, Buffer[]] => [path, spellings(readFileSync(path))]),
      ...tlsKeys.map((path): [string, Buffer[]] => [
        path,
        readFileSync(path, "utf8")
          .split("\n")
          .filter((line) => line.length > 40)
          .map((line) => Buffer.from(line)),
      ]),
      ["the token", [Buffer.from(token.slice(-43)), ...spellings(Buffer.from(token.slice(-43), "base64url"))]],
      ["the wrong token", [Buffer.from(other.slice(-43))]],
      [join(folder, "webhook.secret"), spellings(Buffer.from(webhookSecret.slice(6), "base64"))],
      ["the invitation", [Buffer.from(invitation.slice(-43))]],
      ["the wrong invitation", [Buffer.from(wrong.slice(-43))]],
      ...seeds.map((seed, index): [string, Buffer[]] => [`seed of device ${index}`, spellings(seed)]),
      ...drawn
        .filter(({ length }) => length === 32)
        .map((bytes, index): [string, Buffer[]] => [`draw ${index}`, spellings(bytes)]),
      ["an update", [Buffer.from(new Float32Array(4).fill(UPDATE).buffer)]],
    ];
    t.ok(secrets.length > 20, `${secrets.length} secrets are looked for`);
    const outputs: [string, Buffer][] = [
      ["standard error", Buffer.from(server.log)],
      ["standard output", Buffer.from(JSON.stringify(server.lines))],
      ["what callers were told", Buffer.from(told.join("\n"))],
    ];
    t.match(server.log, '"listening"');
    t.match(told.join("\n"), "TOKEN_INVALID");
    t.match(told.join("\n"), "TOKEN_USED");
    t.match(told.join("\n"), "UNAUTHENTICATED");
    const files = filesBelow(folder).map((path): [string, Buffer] => [path, readFileSync(path)]);
    t.ok(files.length > 8 && existsSync(join(folder, "fedloop-data", "access.sqlite")));
    const found: string[] = [];
    for (const [name, forms] of secrets) {
      for (const [place, hay] of [...outputs, ...files]) {
        if (place !== name && forms.some((form) => hay.includes(form))) found.push(`${name} in ${place}`);
      }
    }
    t.strictSame(found, []);
    for (const path of keyFiles) t.equal(statSync(path).mode & 0o077, 0, `${path} is its owner's alone`);
    t.ok(
      keyFiles.every((path) => files.some(([place, hay]) => place === path && hay.length === 32)),
      "each key is in its own file, where it would be found",
    );
  },
);
