import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { readSmallFile } from "../../src/config/yaml-document.js";
import { loadPlan } from "../../src/plan/load.js";
import { temporaryFolder } from "../temporary-folder.js";

const NOTICE = "# What happens to your ratings\n\nThey stay on your device.\n";

/** A plan that is complete but for what has a default. */
const SHORTEST = `population: lecturers
controller: Example University
purpose: lecture-recommendations
notice:
  file: notice.md
language: en
dataCategories: [lecture ratings]
model:
  parameters: 1128
trainer:
  id: biased-factorisation
rounds: 10
cohort:
  target: 2000
secureAggregation:
  enabled: false
  reason: One institution runs the server and the noise; masks are for a later version.
`;

function planFile(test: { teardown(handler: () => void): void }, text: string | Uint8Array): string {
  const folder = temporaryFolder(test);
  writeFileSync(join(folder, "notice.md"), NOTICE);
  const path = join(folder, "plan.yaml");
  writeFileSync(path, text);
  return path;
}

t.test("a plan that says only what it must is private by default", async (t) => {
  const path = planFile(t, SHORTEST);
  const { plan, notice } = await loadPlan(path);
  const sha256 = createHash("sha256").update(NOTICE).digest("base64url");
  t.equal(Buffer.from(notice).toString(), NOTICE);
  t.same(plan, {
    population: "lecturers",
    controller: "Example University",
    purpose: "lecture-recommendations",
    notice: {
      file: join(path, "..", "notice.md"),
      mediaType: "text/markdown",
      uri: `urn:fedloop:notice:${sha256}`,
      sha256,
    },
    language: "en",
    dataCategories: ["lecture ratings"],
    cap: { epsilon: 4, delta: 1e-5 },
    model: { tensors: [{ name: "parameters", shape: [1128] }], parameters: 1128, init: "zeros", seed: 0 },
    trainer: { id: "biased-factorisation", settings: {} },
    rounds: 10,
    cohort: { target: 2000, minimum: 1600, overSelection: 1.1 },
    deadlines: { selectionMs: 60_000, reportMs: 300_000 },
    privacy: {
      mechanism: "central-discrete-gaussian",
      unit: "participant",
      clipNorm: 1,
      noise: { type: "target", epsilon: 4, delta: 1e-5 },
      adaptiveClipping: null,
      run: null,
      examples: null,
      bits: 18,
    },
    secureAggregation: {
      enabled: false,
      reason: "One institution runs the server and the noise; masks are for a later version.",
    },
    strategy: { id: "fedavg", settings: {} },
    evaluation: null,
    analytics: null,
    watch: null,
    release: "automatic",
    simulation: null,
    participantLimits: { epsilon: null, rounds: null },
  });
});

t.test("a plan that says everything is read as it stands", async (t) => {
  const path = planFile(
    t,
    `population: lecturers
controller: Example University
purpose: lecture-recommendations
notice: { file: notice.md, mediaType: text/plain, uri: https://example.org/notice }
language: de-CH
dataCategories: [lecture ratings, semesters studied]
policy: { epsilon: 8, delta: 1e-6 }
model:
  tensors: { effects: [1128], "dept.service": [14, 2], mean: [] }
  init: zeros
trainer: { id: biased-factorisation, settings: { localSteps: 3, ridge: 0.5, centred: true, loss: squared } }
rounds: 10
cohort: { target: 2000, minimum: 1900, overSelection: 1.3 }
deadlines: { selection: 500ms, report: 2h }
privacy: { mechanism: central-discrete-gaussian, unit: participant, clipNorm: 2.5, noiseMultiplier: 3, bits: 20 }
secureAggregation: { enabled: false, reason: small demo }
strategy: { id: diagonal-newton, settings: { ridge: 5 } }
evaluation: { metric: rmse, every: 4, length: 2, clipNorm: 10, budgetShare: 0.2, settings: { holdOut: 0.1 } }
participantLimits: { epsilon: 3, rounds: 6 }
`,
  );
  const { plan } = await loadPlan(path);
  t.same(plan.model, {
    tensors: [
      { name: "effects", shape: [1128] },
      { name: "dept.service", shape: [14, 2] },
      { name: "mean", shape: [] },
    ],
    parameters: 1157,
    init: "zeros",
    seed: 0,
  });
  t.same(plan.cap, { epsilon: 8, delta: 1e-6 });
  t.same(plan.privacy, {
    mechanism: "central-discrete-gaussian",
    unit: "participant",
    clipNorm: 2.5,
    noise: { type: "multiplier", noiseMultiplier: 3 },
    adaptiveClipping: null,
    run: null,
    examples: null,
    bits: 20,
  });
  t.same(plan.deadlines, { selectionMs: 500, reportMs: 7_200_000 });
  t.same(plan.evaluation, {
    metric: "rmse",
    every: 4,
    count: 3,
    length: 2,
    clipNorm: 10,
    budgetShare: 0.2,
    settings: { holdOut: 0.1 },
  });
  t.same(plan.notice.uri, "https://example.org/notice");
  t.same(JSON.parse(JSON.stringify(plan)), plan, "it survives JSON");
});

t.test("a policy alone sets the target of the noise", async (t) => {
  const { plan } = await loadPlan(planFile(t, `${SHORTEST}policy: { epsilon: 2, delta: 1e-7 }\n`));
  t.same(plan.privacy, {
    mechanism: "central-discrete-gaussian",
    unit: "participant",
    clipNorm: 1,
    noise: { type: "target", epsilon: 2, delta: 1e-7 },
    adaptiveClipping: null,
    run: null,
    examples: null,
    bits: 18,
  });
});

t.test("training without noise needs a reason, and then has no cap", async (t) => {
  const reason = "a benchmark on public data";
  const { plan } = await loadPlan(planFile(t, `${SHORTEST}privacy: { mechanism: none, reason: ${reason} }\n`));
  t.same(plan.privacy, { mechanism: "none", unit: "participant", reason, clipNorm: null, bits: 18 });
  t.equal(plan.cap, null);
});

/** What is appended to the shortest plan, and what the message must say. */
const WRONG: readonly (readonly [string, RegExp])[] = [
  ["privacy:\n  clipNorm: six\n", /plan\.yaml:19:13 privacy\.clipNorm: expected a number above 0.*, came "six"/],
  ["privacy: { clipNorm: -1 }\n", /plan\.yaml:18:22 privacy\.clipNorm: expected a number above 0.*, came -1/],
  ["privacy: { clipNorm: .nan }\n", /privacy\.clipNorm: expected a number above 0.*, came NaN/],
  ["privacy: { clipNorm: .inf }\n", /privacy\.clipNorm: expected a number above 0/],
  ["privacy: { clipNorn: 1 }\n", /plan\.yaml:18:12 privacy\.clipNorn: expected a known key.*did you mean clipNorm\?/],
  ["colour: red\n", /plan\.yaml:18:1 colour: expected one of the keys population, /],
  [
    "privacy: { mechanism: gaussian }\n",
    /privacy\.mechanism: expected one of central-discrete-gaussian, .*came "gaussian"/,
  ],
  ["privacy: { mechanism: none }\n", /privacy\.mechanism: expected a reason beside mechanism none/],
  ["privacy: { mechanism: none, reason: fun, epsilon: 3 }\n", /privacy: expected no noiseMultiplier, epsilon or delta/],
  ["privacy: { mechanism: none, reason: fun }\npolicy: { epsilon: 1, delta: 1e-5 }\n", /policy: expected no cap/],
  ["privacy: { reason: fun }\n", /privacy\.reason: expected a reason only with mechanism none/],
  [
    "privacy: { noiseMultiplier: 1, epsilon: 3, delta: 1e-5 }\n",
    /privacy: expected either noiseMultiplier, or epsilon and delta/,
  ],
  ["privacy: { epsilon: 3 }\n", /privacy: expected epsilon and delta together, came only epsilon/],
  ["privacy: { delta: 1e-5 }\n", /privacy: expected epsilon and delta together, came only delta/],
  ["privacy: { epsilon: 0, delta: 1e-5 }\n", /privacy\.epsilon: expected a number above 0/],
  ["privacy: { epsilon: 3, delta: 1e-13 }\n", /privacy\.delta: expected a number from 1e-12 to 0\.01, came 1e-13/],
  ["privacy: { noiseMultiplier: 0 }\n", /privacy\.noiseMultiplier: expected a number above 0/],
  ["privacy: { bits: 7 }\n", /privacy\.bits: expected a whole number from 8 to 32, came 7/],
  ["privacy: { mechanism: dp-ftrl }\n", /privacy\.factorisation: expected it with mechanism dp-ftrl, and only there/],
  ["privacy: { factorisation: { minSeparation: 1 } }\n", /privacy\.factorisation: expected it with mechanism dp-ftrl/],
  [
    "privacy: { mechanism: dp-ftrl, factorisation: { minSeparation: 99999 } }\n",
    /minSeparation: expected at most the number of rounds/,
  ],
  [
    "privacy: { mechanism: dp-ftrl, factorisation: { type: blt, minSeparation: 1, bands: 2 } }\n",
    /bands go with type banded/,
  ],
  [
    "privacy: { mechanism: dp-ftrl, factorisation: { type: blt, minSeparation: 1, bufferDecay: [0.5] } }\n",
    /as many of bufferDecay as of outputScale/,
  ],
  [
    "privacy: { mechanism: dp-ftrl, factorisation: { minSeparation: 1, coefficients: [0.5] } }\n",
    /coefficients: expected 1 as the first/,
  ],
  ["privacy: { mechanism: dp-sgd }\n", /privacy\.examples: expected it with mechanism dp-sgd/],
  ["privacy: { mechanism: none, reason: r, adaptiveClipping: {} }\n", /whose noise is drawn anew in each round/],
  [
    "privacy: { unit: example }\n",
    /privacy\.unit: expected unit example with mechanism dp-sgd, and participant with any other/,
  ],
  ["privacy: off\n", /privacy: expected a mapping, came "off"/],
  ["privacy:\n", /privacy: expected a mapping, came null/],
  [
    "privacy: { epsilon: 5, delta: 1e-5 }\npolicy: { epsilon: 4, delta: 1e-5 }\n",
    /plan\.yaml:18:21 privacy\.epsilon: expected at most the cap of the policy, 4, came 5/,
  ],
  [
    "privacy: { epsilon: 3, delta: 1e-6 }\npolicy: { epsilon: 4, delta: 1e-5 }\n",
    /privacy\.delta: expected the delta of the policy/,
  ],
  [
    "privacy: { mechanism: distributed-skellam }\n",
    /privacy\.mechanism: expected secure aggregation with distributed-skellam/,
  ],
  ["strategy: { id: fedavgg }\n", /strategy\.id: expected one of fedavg, .*; did you mean fedavg\?/],
  ["strategy: { id: krum }\n", /strategy\.id: expected a strategy that needs only the sum.*no sensitivity/],
  [
    "strategy: { id: group-median }\n",
    /secureAggregation\.enabled: expected secure aggregation with group-median, which compares the sums of its groups/,
  ],
  ["strategy: { settings: { a: 1 } }\n", /strategy\.id: expected a name.*, came nothing/],
  [
    "strategy: { id: fedavg, settings: { a: [1] } }\n",
    /strategy\.settings\.a: expected a number, true, false or a line of text, came a list of 1/,
  ],
  ["strategy: { id: fedavg, settings: { a: .inf } }\n", /strategy\.settings\.a: expected a number/],
  ["strategy: { id: fedavg, settings: { a-b: 1 } }\n", /strategy\.settings.*expected a mapping of names/],
  ["evaluation: { every: 11 }\n", /evaluation\.every: expected at most the number of rounds, 10, came 11/],
  ["evaluation: { budgetShare: 1 }\n", /evaluation\.budgetShare: expected a number from 0\.001 to 0\.9/],
  ["deadlines: { selection: 30 }\n", /deadlines\.selection: expected a time span like "30s".*, came 30/],
  ["deadlines: { selection: 8d }\n", /deadlines\.selection: expected a time span/],
  ["deadlines: { selection: 0s }\n", /deadlines\.selection: expected a time span/],
  ["deadlines: { report: 30 s }\n", /deadlines\.report: expected a time span/],
  ["participantLimits: { rounds: 1.5 }\n", /participantLimits\.rounds: expected a whole number/],
  ["__proto__: { population: x }\n", /plan\.yaml:18:1 __proto__: expected one of the keys/],
  ["constructor: 1\n", /constructor: expected one of the keys/],
];

t.test("what is wrong is told with line, column and key", async (t) => {
  for (const [appended, message] of WRONG) {
    await t.rejects(loadPlan(planFile(t, SHORTEST + appended)), { code: "BAD_PLAN", message }, appended);
  }
});

/** A line of the shortest plan, what it becomes, and what the message must say. */
const CHANGED: readonly (readonly [string, string, RegExp])[] = [
  ["population: lecturers", "population: Lecturers", /plan\.yaml:1:13 population: expected a name of lower-case/],
  ["population: lecturers", "", /population: expected a name of lower-case.*, came nothing/],
  ["population: lecturers", "population: ../../etc", /population: expected a name/],
  ["population: lecturers", `population: ${"a".repeat(64)}`, /population: expected a name/],
  [
    "controller: Example University",
    "controller: ''",
    /controller: expected text of 1 to 200 characters on one line, came ""/,
  ],
  ["controller: Example University", 'controller: "a\\nb"', /controller: expected text of 1 to 200/],
  ["controller: Example University", 'controller: " a"', /controller: expected text without spaces at its ends/],
  ["language: en", "language: english!", /language: expected a language tag/],
  ["dataCategories: [lecture ratings]", "dataCategories: []", /dataCategories: expected a list of 1 to 50 categories/],
  [
    "dataCategories: [lecture ratings]",
    "dataCategories: ratings",
    /dataCategories: expected a list of 1 to 50 categories.*came "ratings"/,
  ],
  [
    "  file: notice.md",
    "  file: missing.md",
    /plan\.yaml:5:9 notice\.file: expected a readable file at .*missing\.md, came ENOENT/,
  ],
  ["  file: notice.md", "  file: .", /notice\.file: expected a readable file.*EISDIR/],
  ["  parameters: 1128", "  parameters: 0", /model\.parameters: expected a whole number from 1 to 1073741824, came 0/],
  ["  parameters: 1128", "  parameters: 1e300", /model\.parameters: expected a whole number/],
  ["  parameters: 1128", "  init: zeros", /model: expected either parameters .* or tensors/],
  ["  parameters: 1128", "  parameters: 5\n  tensors: { a: [5] }", /model: expected either parameters .* or tensors/],
  ["  parameters: 1128", "  tensors: { a: [5, -1] }", /model\.tensors\.a\[1\]: expected a whole number from 1/],
  [
    "  parameters: 1128",
    "  tensors: { a: [32768, 32768], b: [1] }",
    /model\.tensors: expected at most 1073741824 parameters in all/,
  ],
  ["  parameters: 1128", "  tensors: { a: [1,1,1,1,1,1,1,1,1] }", /model\.tensors\.a: expected a list of up to 8/],
  ["  parameters: 1128", "  tensors: {}", /model\.tensors: expected 1 to 1000 tensors/],
  ["  parameters: 1128", '  tensors: { "0": [3] }', /model\.tensors.*expected a mapping of tensor names/],
  ["  parameters: 1128", "  parameters: 5\n  init: random", /model\.init: expected one of .*, came "random"/],
  ["rounds: 10", "rounds: 0", /rounds: expected a whole number from 1 to 100000, came 0/],
  ["rounds: 10", "rounds: '10'", /rounds: expected a whole number from 1 to 100000, came "10"/],
  ["rounds: 10", "rounds: 0x0A.5", /rounds: expected a whole number/],
  [
    "  target: 2000",
    "  target: 2000\n  minimum: 2001",
    /cohort\.minimum: expected at most the target, 2000, came 2001/,
  ],
  ["  target: 2000", "  target: 2000\n  overSelection: 0.9", /cohort\.overSelection: expected a number from 1 to 3/],
  ["  enabled: false", "  enabled: no", /secureAggregation\.enabled: expected true or false, came "no"/],
  ["  enabled: false", "  enabled: true", /secureAggregation\.reason: expected a reason only with enabled: false/],
];

t.test("what is wrong with a key that every plan has is told as well", async (t) => {
  for (const [line, changed, message] of CHANGED) {
    t.ok(SHORTEST.includes(line));
    await t.rejects(loadPlan(planFile(t, SHORTEST.replace(line, changed))), { code: "BAD_PLAN", message }, changed);
  }
});

t.test(
  "secure aggregation is on unless it is left out with a reason, and fits no strategy that looks at each update",
  async (t) => {
    const silent = SHORTEST.slice(0, SHORTEST.indexOf("secureAggregation:"));
    t.same((await loadPlan(planFile(t, silent))).plan.secureAggregation, {
      enabled: true,
      graph: null,
      groupTarget: 100,
      corruptFraction: 0.1,
      dropoutFraction: 0.1,
      adversary: "semi-malicious",
    });
    const both = `${silent}secureAggregation: { enabled: false, reason: why, groupTarget: 10 }\n`;
    await t.rejects(loadPlan(planFile(t, both)), { message: /secureAggregation\.groupTarget: expected it only with/ });
    const unclipped = `${silent}secureAggregation: { enabled: true }\nprivacy: { mechanism: none, reason: why }\n`;
    await t.rejects(loadPlan(planFile(t, unclipped)), { message: /privacy\.clipNorm: expected a clip norm/ });
    const withoutReason = `${silent}secureAggregation: { enabled: false }\n`;
    await t.rejects(loadPlan(planFile(t, withoutReason)), { message: /secureAggregation\.enabled: expected a reason/ });
    const mixed = `${silent}secureAggregation: { enabled: true }\nstrategy: { id: coordinate-median }\n`;
    await t.rejects(loadPlan(planFile(t, mixed)), {
      message:
        /strategy\.id: expected a strategy that needs only the sum of the updates, came coordinate-median, which looks at each update, and secure aggregation hides them/,
    });
  },
);

t.test("a strategy that looks at each update holds them in memory, as far as that goes", async (t) => {
  const none = `${SHORTEST}privacy: { mechanism: none, reason: a test }\nstrategy: { id: multi-krum }\n`;
  t.equal((await loadPlan(planFile(t, none))).plan.strategy.id, "multi-krum");
  await t.rejects(loadPlan(planFile(t, none.replace("parameters: 1128", "parameters: 1000000"))), {
    message:
      /strategy\.id: expected a cohort whose updates fit into 1024 MiB, which multi-krum holds all at once, came 2200 of 4 MiB/,
  });
});

t.test("a strategy over groups' sums wants groups, and noise that is enough for each", async (t) => {
  const silent = SHORTEST.slice(0, SHORTEST.indexOf("secureAggregation:"));
  const groups = `${silent}secureAggregation: { enabled: true, groupTarget: 100 }\nstrategy: { id: group-median }\n`;
  t.equal((await loadPlan(planFile(t, groups))).plan.strategy.id, "group-median");
  const wrong: [string, RegExp][] = [
    [groups.replace("100", "800"), /secureAggregation\.groupTarget: expected at least 3 groups .*, came 2/],
    [
      `${groups}privacy: { mechanism: dp-ftrl, factorisation: { minSeparation: 2 } }\n`,
      /strategy\.id: expected a strategy that needs only the sum of all updates with dp-ftrl, whose noise is calibrated for that sum/,
    ],
    [
      `${groups}privacy: { adaptiveClipping: {} }\n`,
      /privacy\.adaptiveClipping: expected a fixed clip with group-median/,
    ],
  ];
  for (const [text, message] of wrong) await t.rejects(loadPlan(planFile(t, text)), { message });
});

t.test("strategies with a device's side of their own have a plan that both sides can follow", async (t) => {
  const written = (model: string, strategy: string, settings = "{}"): string =>
    SHORTEST.replace("model:\n  parameters: 1128", `model: ${model}`)
      .replace("trainer:\n  id: biased-factorisation", `trainer: { id: own, settings: ${settings} }`)
      .concat(`strategy: ${strategy}\n`);
  const twice = "{ tensors: { w: [4, 2], b: [2], cw: [4, 2], cb: [2] } }";
  const scaffold = "{ id: scaffold, settings: { devices: 2000, variateScale: 0.1 } }";
  const { plan } = await loadPlan(planFile(t, written(twice, scaffold, "{ variateScale: 0.1 }")));
  t.equal(plan.model.parameters, 20);
  const wrong: [string, RegExp][] = [
    [written(twice, scaffold), /strategy\.settings\.variateScale: expected the number that trainer.* came 0\.1 and 1/],
    [
      written("{ parameters: 20 }", scaffold, "{ variateScale: 0.1 }"),
      /model\.tensors: expected with scaffold.* came none/,
    ],
    [
      written("{ tensors: { w: [4, 2], b: [2], cb: [2], cw: [4, 2] } }", scaffold, "{ variateScale: 0.1 }"),
      /model\.tensors: expected with scaffold .* came 4×2, 2, 2, 4×2/,
    ],
    [
      written("{ parameters: 20 }", "{ id: q-fedavg, settings: { curvatureScale: 0.5 } }"),
      /strategy\.settings\.curvatureScale: expected the number that trainer.* came 0\.5 and 1/,
    ],
  ];
  for (const [text, message] of wrong) await t.rejects(loadPlan(planFile(t, text)), { message });
});

t.test("everything that is wrong is told at once", async (t) => {
  const path = planFile(t, SHORTEST.replace("rounds: 10", "rounds: ten").replace("language: en", "language: 5"));
  await t.rejects(loadPlan(path), { message: /plan\.yaml:6:11 language: .*; .*plan\.yaml:12:9 rounds: / });
});

/** Texts that are no plan at all. */
const HOSTILE: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
  ["an empty file", "", /the document: expected a mapping, came null/],
  ["a list", "- a\n- b\n", /the document: expected a mapping, came a list of 2/],
  ["a word", "plan", /the document: expected a mapping, came "plan"/],
  ["broken indentation", "a:\n  b: 1\n c: 2\n", /plan\.yaml:\d+:\d+ /],
  ["an open quote", 'population: "lecturers\n', /plan\.yaml:\d+:\d+ /],
  ["a tab for indentation", "cohort:\n\ttarget: 5\n", /plan\.yaml:2:1 /],
  ["a key twice", `${SHORTEST}rounds: 11\n`, /plan\.yaml:18:1 expected each key once, came "rounds" again/],
  ["two documents", `${SHORTEST}---\n${SHORTEST}`, /plan\.yaml:18:1 expected one document, came a second/],
  ["an alias", "a: &x 1\nb: *x\n", /plan\.yaml:1:7 anchors/],
  [
    "a billion laughs",
    `a: &a [x,x,x,x,x,x,x,x,x]\n${"bcdefghi"
      .split("")
      .map((c, i) => `${c}: &${c} [${Array(9).fill(`*${"abcdefgh"[i]}`).join(",")}]`)
      .join("\n")}\n`,
    /anchors/,
  ],
  ["a merge key", "a: &x { b: 1 }\nc: { <<: *x }\n", /anchors/],
  ["an unknown tag", "population: !secret x\n", /plan\.yaml:1:13 /],
  ["a tag of another language", "population: !!python/object/apply:os.system ['x']\n", /plan\.yaml:1:13 /],
  ["a key that is a list", "? [a, b]\n: c\n", /plan\.yaml:\d+:\d+ /],
  ["deep nesting", "a: ".concat("[".repeat(100_000), "]".repeat(100_000)), /nested too deep|plan\.yaml:\d+:\d+ /],
  ["deep mappings", "{a: ".repeat(50_000), /nested too deep|plan\.yaml:\d+:\d+ /],
  ["other bytes than UTF-8", Uint8Array.from([0x61, 0x3a, 0x20, 0xff]), /expected UTF-8 text/],
  ["twenty thousand keys", Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join("\n"), /and 199\d\d more$/],
  ["a NUL", "population: a\0b\n", /plan\.yaml:1:\d+ /],
];

t.test("hostile texts are refused with a sentence", async (t) => {
  for (const [name, text, message] of HOSTILE) {
    await t.rejects(loadPlan(planFile(t, text)), { name: "CoordinatorError", code: "BAD_PLAN", message }, name);
  }
});

t.test("files too large, missing, or no files are refused before they are parsed", async (t) => {
  await t.rejects(loadPlan(planFile(t, `# ${"x".repeat(256 << 10)}\n`)), {
    code: "FILE_UNREADABLE",
    message: /at most 262144 bytes/,
  });
  const folder = temporaryFolder(t);
  await t.rejects(loadPlan(join(folder, "none.yaml")), { code: "FILE_UNREADABLE", message: /ENOENT/ });
  await t.rejects(loadPlan(folder), { code: "FILE_UNREADABLE", message: /EISDIR/ });
  await t.rejects(loadPlan("/dev/zero"), { code: "FILE_UNREADABLE" });
  const petabyte = 2 ** 50;
  t.equal(
    (await readSmallFile(planFile(t, SHORTEST), petabyte)).length,
    SHORTEST.length,
    "no room for a bound is set aside",
  );
});

t.test("a notice must be a text that can be shown", async (t) => {
  const path = planFile(t, SHORTEST);
  const notice = join(path, "..", "notice.md");
  writeFileSync(notice, " \n");
  await t.rejects(loadPlan(path), {
    code: "BAD_PLAN",
    message: /notice\.file: expected a text in notice\.md, came an empty/,
  });
  writeFileSync(notice, Uint8Array.from([0xc3, 0x28]));
  await t.rejects(loadPlan(path), { code: "BAD_PLAN", message: /expected UTF-8 text in notice\.md/ });
  writeFileSync(notice, "x".repeat((256 << 10) + 1));
  await t.rejects(loadPlan(path), { code: "BAD_PLAN", message: /notice\.file: expected at most 262144 bytes/ });
});

t.test("the notice is found beside the plan, wherever the command runs", async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, "texts"));
  writeFileSync(join(folder, "texts", "notice.txt"), NOTICE);
  const path = join(folder, "plan.yaml");
  writeFileSync(path, SHORTEST.replace("file: notice.md", "file: texts/notice.txt"));
  t.equal((await loadPlan(path)).plan.notice.mediaType, "text/plain");
});

/** Plans in which settings cannot follow from votes. */
function tunings(): [string, RegExp][] {
  const votes = "kind: votes, table: t, candidate: name, loss: error, candidates: [low, high]";
  const asked = (when: string, ask: string, tunes: string): string =>
    `${SHORTEST}analytics:\n  when: ${when}\n  queries:\n    - { name: a, ask: { ${ask} }, tunes: ${tunes} }\n`;
  const both = "{ low: { learningRate: 0.1 }, high: { learningRate: 1 } }";
  return [
    [asked("after", votes, both), /queries.a.tunes: expected none but with votes/],
    [asked("before", "kind: count, table: t", both), /queries.a.tunes: expected none but with votes/],
    [asked("before", votes, "{ low: { learningRate: 0.1 } }"), /a.tunes: expected settings for each candidate.*high/],
    [asked("before", votes, both.replace("high", "hihg")), /a.tunes: expected only low, high, came hihg/],
    [asked("before", votes, "{ low: 0.1, high: 1 }"), /a mapping of names/],
  ];
}

t.test("a plan trains, asks or does both, and a query says where it is wrong", async (t) => {
  const written = (changes: string): string =>
    `${SHORTEST.replace(/^(model|trainer|rounds):.*\n( .*\n)*/gm, "")}analytics:\n  queries:\n${changes}`;
  const count = "    - { name: a, ask: { kind: count, table: t } }\n";
  const { plan } = await loadPlan(planFile(t, written(count)));
  t.equal(plan.rounds, 0);
  t.same(plan.analytics, {
    when: "after",
    budgetShare: 0.1,
    rounds: 1,
    queries: [{ name: "a", times: 1, weight: 1, steps: 1, ask: { kind: "count", table: "t", minimumDevices: 10 } }],
  });
  const wrong: readonly [string, RegExp][] = [
    [`${written(count)}rounds: 3\n`, /trainer: expected a mapping|model: expected a mapping/],
    [`${SHORTEST.replace("biased-factorisation", "analytics")}`, /trainer.id: expected another trainer/],
    [written(`${count}${count}`), /queries: expected a list of 1 to 100 queries of different names/],
    [
      written("    - { name: a, ask: { kind: sum, table: t, value: { of: rows }, lower: 2, upper: 1 } }\n"),
      /lower to be below upper/,
    ],
    ...tunings(),
    [written("    - { name: a, ask: { kind: counts, table: t } }\n"), /expected one of the kinds count, sum/],
    [written("    - { name: a, ask: { kind: count, table: t, wher: {} } }\n"), /did you mean where\?/],
    [`${written(count)}privacy: { clipNorm: 2 }\n`, /privacy.clipNorm: expected none in a plan that only asks/],
    [`${written(count)}evaluation: {}\n`, /evaluation: expected none in a plan that only asks/],
  ];
  for (const [text, message] of wrong) await t.rejects(loadPlan(planFile(t, text)), { code: "BAD_PLAN", message });
});
