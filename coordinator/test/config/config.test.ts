import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { cosigner } from "@fedloop/consent";
import { nodeSigner } from "@fedloop/consent/node";
import t from "tap";
import { loadConfig, parseConfig } from "../../src/config/config.js";
import { DEFAULT_RATES } from "../../src/limits/call-limits.js";
import { temporaryFolder } from "../temporary-folder.js";

const SHORTEST = `origin: coordinator.example.org/lecturers
plans: [plans/lecturers.yaml]
`;

const WITNESS = cosigner("witness.example.org", nodeSigner(new Uint8Array(32).fill(7)), () => 0).vkey;
const HASH = "ab".repeat(32);

function parse(text: string, environment: Record<string, string> = {}) {
  return parseConfig("fedloop.yaml", text, "/srv/fedloop", environment);
}

t.test("a configuration that says only what it must listens on loopback, and anyone there may enroll", async (t) => {
  t.same(parse(SHORTEST), {
    origin: "coordinator.example.org/lecturers",
    dataDir: "/srv/fedloop/fedloop-data",
    vaultDir: "/srv/fedloop/fedloop-data-vault",
    keysDir: "/srv/fedloop/fedloop-data/keys",
    store: { type: "sqlite" },
    artifactsDir: "/srv/fedloop/fedloop-data/artifacts",
    nats: null,
    cluster: { address: null, ca: null, leaseMs: 10_000 },
    listen: { host: "127.0.0.1", port: 7443 },
    http: null,
    tiles: null,
    witnesses: null,
    auditors: [],
    heartbeatMs: 3_600_000,
    plans: ["/srv/fedloop/plans/lecturers.yaml"],
    enrolment: { type: "open" },
    tls: null,
    tlsFromEnvironment: false,
    log: { level: "info" },
    webhooks: [],
    drainDeadlineMs: 30_000,
    limits: { concurrentUploads: 16, ...DEFAULT_RATES },
  });
});

t.test("a configuration that says everything is read as it stands, paths relative to the file", async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, "etc"));
  const path = join(folder, "etc", "fedloop.yaml");
  writeFileSync(
    path,
    `origin: example.org/log
dataDir: ../data
vaultDir: /vault
keysDir: /keys
artifactsDir: ../artifacts
nats: { servers: ["tls://nats.example.org:4222"], credentials: nats.creds, ca: ca.pem }
cluster: { address: "c1.example.org:443", ca: ca.pem, lease: 5s }
store: { postgres: { urlFile: secrets/postgres } }
listen: { host: 0.0.0.0, port: 443 }
http: { host: 0.0.0.0, port: 8443, corsOrigins: [https://app.example.org] }
tiles: tiles
witnesses:
  quorum: 1
  members: [{ key: ${WITNESS}, url: "https://witness.example.org/w" }]
auditors: [${"A".repeat(43)}]
heartbeat: 10m
plans: [a.yaml, /plans/b.yaml]
enrolment:
  mode: token
  tokens:
    - { sha256: ${HASH}, expires: 2026-06-30T12:00:00+02:00 }
tls: { cert: cert.pem, key: /keys/key.pem, clientCa: ca.pem, reload: 10s }
log: { level: warn }
webhooks:
  - { name: ops, url: "https://hooks.example.org/x", secretFile: secrets/ops, events: [round.closed] }
drainDeadline: 2m
limits: { concurrentUploads: 4, perIdentity: { perSecond: 5 } }
`,
  );
  t.same(await loadConfig(path, {}), {
    origin: "example.org/log",
    dataDir: join(folder, "data"),
    vaultDir: "/vault",
    keysDir: "/keys",
    artifactsDir: join(folder, "artifacts"),
    nats: {
      servers: ["tls://nats.example.org:4222"],
      credentialsFile: join(folder, "etc", "nats.creds"),
      caFile: join(folder, "etc", "ca.pem"),
    },
    cluster: { address: "c1.example.org:443", ca: join(folder, "etc", "ca.pem"), leaseMs: 5_000 },
    store: { type: "postgres", urlFile: join(folder, "etc", "secrets", "postgres") },
    listen: { host: "0.0.0.0", port: 443 },
    http: { host: "0.0.0.0", port: 8443, corsOrigins: ["https://app.example.org"] },
    tiles: join(folder, "etc", "tiles"),
    witnesses: { quorum: 1, members: [{ key: WITNESS, url: "https://witness.example.org/w" }] },
    auditors: [new Uint8Array(32)],
    heartbeatMs: 600_000,
    plans: [join(folder, "etc", "a.yaml"), "/plans/b.yaml"],
    enrolment: {
      type: "token",
      tokens: [{ sha256: new Uint8Array(32).fill(0xab), expiresMs: Date.parse("2026-06-30T10:00:00Z") }],
    },
    tls: {
      cert: join(folder, "etc", "cert.pem"),
      key: "/keys/key.pem",
      clientCa: join(folder, "etc", "ca.pem"),
      reloadMs: 10_000,
    },
    tlsFromEnvironment: false,
    log: { level: "warn" },
    webhooks: [
      {
        name: "ops",
        url: "https://hooks.example.org/x",
        secretFile: join(folder, "etc", "secrets", "ops"),
        events: ["round.closed"],
        allowPrivate: false,
      },
    ],
    drainDeadlineMs: 120_000,
    limits: { concurrentUploads: 4, ...DEFAULT_RATES, perIdentity: { perSecond: 5, burst: 2_000 } },
  });
});

t.test("the environment goes before the file", async (t) => {
  const changed = parse(SHORTEST, { FEDLOOP_DATA_DIR: "here", FEDLOOP_LISTEN: "localhost:0" });
  t.equal(changed.dataDir, resolve("here"));
  t.same(changed.listen, { host: "localhost", port: 0 });
  t.same(parse(SHORTEST, { FEDLOOP_LISTEN: "[::1]:7443" }).listen, { host: "::1", port: 7443 });
  for (const FEDLOOP_LISTEN of [
    "",
    "7443",
    "localhost",
    "localhost:",
    "localhost:70000",
    "::1:7443",
    "a b:1",
    "[::1:7",
  ]) {
    t.throws(() => parse(SHORTEST, { FEDLOOP_LISTEN }), {
      code: "BAD_CONFIG",
      message: /^FEDLOOP_LISTEN: expected host:port/,
    });
  }
  t.throws(() => parse(SHORTEST, { FEDLOOP_DATA_DIR: "" }), { code: "BAD_CONFIG", message: /^FEDLOOP_DATA_DIR/ });
});

t.test("only whole web origins are let in, no wildcard and no path", async (t) => {
  for (const origin of ["*", "https://app.example.org/", "app.example.org", "https://app.example.org:443", "null"]) {
    t.throws(() => parse(`${SHORTEST}http: { corsOrigins: ["${origin}"] }\n`), {
      code: "BAD_CONFIG",
      message: /http\.corsOrigins/,
    });
  }
});

t.test("HTTP is served where the configuration has a section for it, at a port of its own", async (t) => {
  t.same(parse(`${SHORTEST}http: {}\n`).http, { host: "127.0.0.1", port: 7480, corsOrigins: [] });
  t.match(parse(`${SHORTEST}http: { consentCentre: { jurisdiction: CH } }\n`).http, {
    consentCentre: { jurisdiction: "CH" },
  });
  t.throws(() => parse(`${SHORTEST}http: { consentCentre: {} }\n`), { message: /http\.consentCentre\.jurisdiction/ });
});

t.test("off loopback there is no plaintext, wherever the address comes from", async (t) => {
  t.throws(() => parse(`${SHORTEST}listen: { host: 0.0.0.0 }\n`), {
    code: "BAD_CONFIG",
    message: /fedloop\.yaml:3:17 listen\.host: expected a loopback address, or tls/,
  });
  t.throws(() => parse(SHORTEST, { FEDLOOP_LISTEN: "example.org:443" }), {
    message: /^FEDLOOP_LISTEN: expected a loopback/,
  });
  t.throws(() => parse(`${SHORTEST}http: { host: 0.0.0.0 }\n`), {
    message: /fedloop\.yaml:3:15 http\.host: expected a loopback address, or tls/,
  });
  const tls = `${SHORTEST}tls: { cert: c.pem, key: k.pem }\n`;
  t.equal(parse(tls, { FEDLOOP_LISTEN: "example.org:443" }).listen.port, 443);
  const environment = { FEDLOOP_LISTEN: "example.org:443", FEDLOOP_TLS_CERT: "PEM", FEDLOOP_TLS_KEY: "PEM" };
  t.match(parse(SHORTEST, environment), { tls: null, tlsFromEnvironment: true });
});

/** What is appended to the shortest configuration, and what the message must say. */
const WRONG: readonly (readonly [string, RegExp])[] = [
  ["listne: { port: 1 }\n", /fedloop\.yaml:3:1 listne: expected a known key, came this one; did you mean listen\?/],
  ["listen: { prot: 1 }\n", /fedloop\.yaml:3:11 listen\.prot: .*did you mean port\?/],
  ["listen: { port: 65536 }\n", /fedloop\.yaml:3:17 listen\.port: expected a whole number from 0 to 65535, came 65536/],
  ["listen: { port: '80' }\n", /listen\.port: expected a whole number.*came "80"/],
  ["listen: { host: 'a b' }\n", /listen\.host: expected a host name or address/],
  ["listen: 7443\n", /listen: expected a mapping, came 7443/],
  ["enrolment: open\n", /enrolment: expected a mapping, came "open"/],
  ["enrolment: { mode: closed }\n", /enrolment\.mode: expected one of open, token, attestation, came "closed"/],
  ["enrolment: { mode: attestation }\n", /enrolment\.mode: expected attestation with mode attestation/],
  ["enrolment: { mode: open, attestation: { url: 'https://a.example' } }\n", /enrolment\.mode: expected attestation/],
  ["enrolment: { mode: attestation, attestation: {} }\n", /expected attestation to have a url or a list/],
  ["enrolment: { mode: attestation, attestation: { url: 'http://a.example' } }\n", /expected an https address/],
  [
    `enrolment: { mode: open, tokens: [{ sha256: ${HASH}, expires: 2026-01-01T00:00:00Z }] }\n`,
    /enrolment\.mode: expected tokens/,
  ],
  ["enrolment: { mode: token, tokens: [] }\n", /enrolment\.tokens: expected a list of 1 to 1000 tokens/],
  [
    "enrolment: { mode: token, tokens: [{ sha256: secret, expires: 2026-01-01T00:00:00Z }] }\n",
    /tokens\[0\]\.sha256: expected the SHA-256/,
  ],
  [
    `enrolment: { mode: token, tokens: [{ sha256: ${HASH}, expires: tomorrow }] }\n`,
    /tokens\[0\]\.expires: expected a time with its zone/,
  ],
  [
    `enrolment: { mode: token, tokens: [{ sha256: ${HASH}, expires: 2026-01-01T00:00:00 }] }\n`,
    /tokens\[0\]\.expires: expected a time/,
  ],
  [
    `enrolment: { mode: token, tokens: [{ sha256: ${HASH}, expires: 2026-02-30T00:00:00Z }] }\n`,
    /tokens\[0\]\.expires: expected a time/,
  ],
  ["tls: { cert: a.pem }\n", /tls\.key: expected text of 1 to 1000 characters on one line, came nothing/],
  ["log: { level: trace }\n", /log\.level: expected one of debug, info, warn, error, silent, came "trace"/],
  [
    'webhooks: [{ name: ops, url: "http://hooks.example.org/", secretFile: s }]\n',
    /webhooks\[0\]\.url: expected https, or allowPrivate: true/,
  ],
  [
    'webhooks: [{ name: ops, url: "https://a:b@hooks.example.org/", secretFile: s }]\n',
    /webhooks\[0\]\.url: expected an address without user/,
  ],
  ["enrolment: { mode: attestation, attestation: { url: 'https://a:b@a.example' } }\n", /without user and password/],
  [
    'webhooks: [{ name: ops, url: "https://hooks.example.org/", secretFile: s, events: [round.opened] }]\n',
    /webhooks\[0\]\.events\[0\]: expected a list of round\.closed/,
  ],
  ["drainDeadline: soon\n", /drainDeadline: expected a time span/],
  ["limits: { concurrentUploads: 0 }\n", /limits\.concurrentUploads: expected a whole number from 1/],
  ["plans: []\n", /expected each key once, came "plans" again/],
  ["__proto__: { dataDir: x }\n", /fedloop\.yaml:3:1 __proto__: expected one of the keys/],
];

t.test("what is wrong is told with line, column and key", async (t) => {
  for (const [appended, message] of WRONG) {
    t.throws(() => parse(SHORTEST + appended), { name: "CoordinatorError", code: "BAD_CONFIG", message }, appended);
  }
  t.throws(() => parse("origin: a b\nplans: [p.yaml]\n"), {
    message: /fedloop\.yaml:1:9 origin: expected a name of letters, digits/,
  });
  t.throws(() => parse("origin: a+b\nplans: [p.yaml]\n"), { message: /origin: expected a name of letters, digits/ });
  t.throws(() => parse("origin: a\nplans: []\n"), {
    message: /fedloop\.yaml:2:8 plans: expected a list of 1 to 100 plan files/,
  });
  t.throws(() => parse("origin: a\nplans: [1]\n"), { message: /plans\[0\]: expected text/ });
  t.throws(() => parse("{}"), { message: /origin: .*came nothing; .*plans: .*came nothing/ });
});

t.test("texts that are no configuration, and files that cannot be read, are refused with a sentence", async (t) => {
  for (const text of ["", "- 1", "a: [", "a: *b", "\0", "[".repeat(50_000)]) {
    t.throws(() => parse(text), { name: "CoordinatorError", code: "BAD_CONFIG" }, JSON.stringify(text.slice(0, 20)));
  }
  const folder = temporaryFolder(t);
  await t.rejects(loadConfig(join(folder, "none.yaml"), {}), { code: "FILE_UNREADABLE" });
});

t.test("a password in an address is not repeated by what refuses it", async (t) => {
  const witness = "coordinator.example.org/log+00000000+AQ==";
  const addresses = [
    'webhooks: [{ name: ops, url: "https://me:hunter2@hooks.example.org/", secretFile: s }]',
    "enrolment: { mode: attestation, attestation: { url: 'https://me:hunter2@a.example' } }",
    'nats: { servers: ["nats://me:hunter2@127.0.0.1:4222"] }',
    'nats: { servers: ["tls://hunter2@nats.example.org"] }',
    `witnesses: { quorum: 1, members: [{ key: "${witness}", url: "https://me:hunter2@w.example" }] }`,
    'http: { corsOrigins: ["https://me:hunter2@app.example.org"] }',
    'listen: { host: "https://me:hunter2@app.example.org" }',
  ];
  for (const line of addresses) {
    t.throws(() => parse(`${SHORTEST}${line}\n`), { code: "BAD_CONFIG", message: /^((?!hunter2).)*$/ }, line);
  }
});

t.test("twenty errors are told, the rest is counted", async (t) => {
  const unknown = Array.from({ length: 30 }, (_, i) => `zzzzzz${i}: 1`).join("\n");
  t.throws(() => parse(`${SHORTEST}${unknown}\n`), { message: /; and 10 more$/ });
});
