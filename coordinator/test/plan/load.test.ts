import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { readSmallFile } from "../../src/config/yaml-document.js";
import { loadPlan } from "../../src/plan/load.js";
import { temporaryFolder } from "../temporary-folder.js";
import { CHANGED, HOSTILE, SHORTEST, WRONG } from "./wrong-plans.js";

const NOTICE = "# What happens to your ratings\n\nThey stay on your device.\n";

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

t.test("what is wrong is told with line, column and key", async (t) => {
  for (const [appended, message] of WRONG) {
    await t.rejects(loadPlan(planFile(t, SHORTEST + appended)), { code: "BAD_PLAN", message }, appended);
  }
});

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

t.test("a plan for second moments says what devices multiply by, and is told what else it has to be", async (t) => {
  const written = (model: string, strategy: string, more = ""): string =>
    SHORTEST.replace("model:\n  parameters: 1128", `model: ${model}`)
      .replace("trainer:\n  id: biased-factorisation", "trainer: { id: second-moments }")
      .concat(`strategy: ${strategy}\n${more}`);
  const model = "{ tensors: { items: [100, 8] }, init: glorot-uniform }";
  const strategy = "{ id: subspace-iteration, settings: { factors: 8 } }";
  const ranking = "evaluation: { metric: ranking, clipNorm: 1.75 }\n";
  const { plan } = await loadPlan(planFile(t, written(model, strategy, ranking)));
  t.match(plan, { model: { parameters: 800 }, privacy: { clipNorm: 1 }, evaluation: { length: 3 } });
  const wrong: [string, RegExp][] = [
    [written(model, "{ id: fedavg }"), /strategy\.id: expected subspace-iteration with .* came fedavg/],
    [written(model, "{ id: subspace-iteration }"), /model\.tensors: expected with .* the factors .*, 16; came 100×8/],
    [written("{ parameters: 800, init: glorot-uniform }", strategy), /model\.tensors: expected with .*; came none/],
    [written("{ tensors: { items: [100, 8] } }", strategy), /model\.init: expected glorot-uniform with .*; came zeros/],
    [written(model, strategy, "privacy: { adaptiveClipping: {} }\n"), /adaptiveClipping: expected a fixed clip with/],
    [written(model, strategy, "privacy: { clipNorm: 2 }\n"), /privacy\.clipNorm: expected 1 with .*, came 2/],
    [
      written(model, strategy, ranking.replace("ranking,", "ranking, length: 2,")),
      /evaluation\.length: expected 3 with/,
    ],
  ];
  for (const [text, message] of wrong) await t.rejects(loadPlan(planFile(t, text)), { message });
});

t.test("everything that is wrong is told at once", async (t) => {
  const path = planFile(t, SHORTEST.replace("rounds: 10", "rounds: ten").replace("language: en", "language: 5"));
  await t.rejects(loadPlan(path), { message: /plan\.yaml:6:11 language: .*; .*plan\.yaml:12:9 rounds: / });
});

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
