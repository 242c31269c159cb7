// Plans that are wrong, each with what its author is to be told.

/** A plan that is complete but for what has a default. */
export const SHORTEST: string = `population: lecturers
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

/** What is appended to the shortest plan, and what the message must say. */
export const WRONG: readonly (readonly [string, RegExp])[] = [
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
  [
    "watch: { population: insight, canary: { query: a, margin: 0.1, segments: [a] } }\n",
    /watch\.canary\.segments: expected queries other than watch\.canary\.query, each named once/,
  ],
  [
    "watch: { population: insight, canary: { query: a, margin: 0.1, segments: [] } }\n",
    /watch\.canary\.segments: expected at least one query/,
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

/** A line of the shortest plan, what it becomes, and what the message must say. */
export const CHANGED: readonly (readonly [string, string, RegExp])[] = [
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

/** Texts that are no plan at all. */
export const HOSTILE: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
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
