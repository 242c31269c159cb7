/** Files that operators write, and models. */
import { ClientError, readModel } from "@fedloop/client-runtime";
import * as consent from "@fedloop/consent";
import { type Draw, type Fuzzed, mutateBytes, mutateJson, mutateText, same, utf8 } from "@fedloop/fuzz";
import { parseConfig } from "../../src/config/config.js";
import { parseListen } from "../../src/config/listen.js";
import { parseYaml } from "../../src/config/yaml-document.js";
import { CoordinatorError } from "../../src/errors.js";
import { addressKey } from "../../src/limits/call-limits.js";
import { decodeSafetensors, encodeSafetensors } from "../../src/models/safetensors.js";
import { parsePlan } from "../../src/plan/load.js";
import { signer } from "./consent-table.js";

const isCoordinator = (cause: unknown): boolean => cause instanceof CoordinatorError;

export function modelTable(): Fuzzed[] {
  const tensors = [
    { name: "a", shape: [2, 3] },
    { name: "b", shape: [1] },
  ];
  const file = encodeSafetensors({ tensors, parameters: new Float32Array(7).fill(0.5), metadata: { round: "3" } });
  const headerBytes = new DataView(file.buffer).getUint32(0, true);
  const header = Buffer.from(file.subarray(8, 8 + headerBytes))
    .toString()
    .trim();
  const make = (draw: Draw): Uint8Array => {
    if (draw() < 0.5) return mutateBytes([file], draw);
    const changed = utf8(mutateJson([header], draw));
    const length = new Uint8Array(8);
    new DataView(length.buffer).setUint32(0, changed.length, true);
    return Buffer.concat([length, changed, file.subarray(8 + headerBytes)]);
  };
  return [
    {
      name: "decodeSafetensors",
      inputs: 6_000,
      make,
      valid: [file],
      isRefusal: isCoordinator,
      decode: (bytes: Uint8Array) => {
        const decoded = decodeSafetensors(bytes);
        same([...decodeSafetensors(encodeSafetensors(decoded)).parameters], [...decoded.parameters]);
      },
    },
    {
      name: "readModel",
      inputs: 8_000,
      make,
      valid: [file],
      isRefusal: (cause) => cause instanceof ClientError,
      decode: (bytes: Uint8Array) => readModel(bytes),
    },
  ];
}

const PLAN_SEED = `population: lecturers
controller: Example University
purpose: lecture-recommendations
notice: { file: notice.md }
language: en
dataCategories: [lecture ratings]
model: { tensors: { effects: [20] } }
trainer: { id: biased-factorisation, settings: { base: 3 } }
rounds: 2
cohort: { target: 12, minimum: 10 }
deadlines: { selection: 30s, report: 30s }
privacy: { mechanism: none, reason: a test }
secureAggregation: { enabled: false, reason: a test }
`;

/** Plans with other sections: an analytics plan, secure aggregation with noise on devices, a simulation. */
const MORE_PLANS = [
  `population: learners
controller: Example University
purpose: improve-the-course
notice: { file: notice.md }
language: en
dataCategories: [study sessions]
cohort: { target: 12, minimum: 10 }
privacy: { mechanism: distributed-discrete-gaussian, epsilon: 5, delta: 1.0e-5 }
analytics:
  queries:
    - name: session-length
      ask: { kind: histogram, table: sessions, value: { of: mean, column: minutes }, edges: [0, 10], minimumDevices: 3 }
`,
  `${PLAN_SEED.replace(/^privacy:.*\n/m, "policy: { epsilon: 4, delta: 1.0e-5 }\nprivacy: { mechanism: distributed-discrete-gaussian, clipNorm: 1, noiseMultiplier: 1 }\n").replace(/^secureAggregation:.*\n/m, "secureAggregation: { enabled: true, groupTarget: 10 }\n")}simulation: { devices: 20, data: { type: synthetic }, dropout: 0.1, masks: full }
`,
];

const CONFIG_SEED = `origin: coordinator.example.org/lecturers
plans: [plan.yaml]
listen: { host: 127.0.0.1, port: 7443 }
http: { port: 7480, corsOrigins: ["https://app.example.org"] }
tls: { cert: cert.pem, key: key.pem, reload: 10s }
enrolment:
  mode: token
  tokens:
    - { sha256: ${"ab".repeat(32)}, expires: 2026-12-31T23:59:59Z }
witnesses:
  quorum: 1
  members:
    - { key: ${consent.cosigner("witness.example.org", signer, () => 0).vkey}, url: "https://witness.example.org" }
limits: { concurrentUploads: 4, perIdentity: { perSecond: 5 } }
`;

/** @param folder with the notice that the plan names */
export function writtenTable(folder: string): Fuzzed[] {
  return [
    {
      name: "parseYaml",
      inputs: 400,
      make: (draw) => mutateText([CONFIG_SEED, PLAN_SEED], draw),
      valid: [CONFIG_SEED, PLAN_SEED],
      isRefusal: isCoordinator,
      decode: (text: string) => parseYaml("file.yaml", text, "BAD_CONFIG"),
    },
    {
      name: "parseConfig",
      inputs: 500,
      make: (draw) => mutateText([CONFIG_SEED], draw),
      valid: [CONFIG_SEED],
      isRefusal: isCoordinator,
      decode: (text: string) => parseConfig("fedloop.yaml", text, "/srv", {}),
    },
    {
      name: "parsePlan",
      inputs: 500,
      make: (draw) => mutateText([PLAN_SEED, ...MORE_PLANS], draw),
      valid: [PLAN_SEED, ...MORE_PLANS],
      isRefusal: isCoordinator,
      decode: (text: string) => parsePlan("plan.yaml", text, folder),
    },
    {
      name: "parseListen",
      inputs: 40_000,
      make: (draw) => mutateText(["127.0.0.1:7443", "[::1]:80"], draw),
      valid: ["127.0.0.1:7443", "[::1]:80"],
      isRefusal: isCoordinator,
      decode: (text: string) => parseListen(text, "FEDLOOP_LISTEN"),
    },
    {
      name: "addressKey",
      inputs: 40_000,
      make: (draw) => mutateText(["192.0.2.7:51000", "[2001:db8::9%eth0]:443", "::ffff:192.0.2.7"], draw),
      valid: ["192.0.2.7:51000"],
      isRefusal: () => false,
      neverRefuses: true,
      decode: (text: string) => addressKey(text),
    },
  ];
}
