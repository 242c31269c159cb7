import { decodeBase64Url, type RoundPlan, type SecureAggregationPlan } from "@fedloop/consent";
import t from "tap";
import { checkSecureAggregation } from "../../src/guard/secure-aggregation.js";
import { defaultFloors, type PrivacyFloors } from "../../src/index.js";
import { modelFile } from "../coordinator/models.js";
import { planOf } from "../coordinator/plans.js";

const facts = { number: 3, policy: 1, consentTreeSize: 1, model: modelFile(Float32Array.of(1, 2)), cap: "4" };
const honest = planOf({}, facts);
const leafHash = decodeBase64Url(honest.model.sha256);

function secured(changes: Partial<SecureAggregationPlan> = {}): RoundPlan {
  const bits = 24;
  const parameters: SecureAggregationPlan = {
    graph: "complete",
    corruptFraction: "0.1",
    dropoutFraction: "0.1",
    adversary: "semi-malicious",
    groupTarget: 20,
    minimumMembers: 14,
    maximumMembers: 30,
    minimumSurvivors: 12,
    bits,
    valueBound: honest.update.integerNormBound,
    ...changes,
  };
  const update = { ...honest.update, bits };
  return { ...honest, update, secureAggregation: { enabled: true, reason: null, parameters } };
}

function check(plan: RoundPlan, floors: Partial<PrivacyFloors> = {}, isAble = true): unknown {
  return checkSecureAggregation(plan, leafHash, { ...defaultFloors, ...floors }, isAble);
}

t.test("a plan that reaches the floors gives the protocol's parameters, bound to the plan's entry", async (t) => {
  t.match(check(secured()), { session: leafHash, planHash: leafHash, round: 3, minimumMembers: 14 });
  t.equal(check(honest, { requireSecureAggregation: false }), null);
});

const hostile: readonly [string, string, () => unknown][] = [
  ["a round without", "GUARD_SECURE_AGGREGATION", () => check(honest)],
  ["an app without cryptography", "GUARD_UNSUPPORTED", () => check(secured(), {}, false)],
  ["fewer survivors than the app allows", "GUARD_COHORT", () => check(secured({ minimumSurvivors: 9 }))],
  ["a sum that can overflow", "GUARD_BAD_PLAN", () => check(secured({ maximumMembers: 400 }))],
  ["a value bound below the norm bound", "GUARD_CLIP", () => check(secured({ valueBound: 3 }))],
  [
    "a weaker adversary than the app's",
    "GUARD_SECURE_AGGREGATION",
    () => check(secured({ graph: "harary", adversary: "semi-honest" })),
  ],
  [
    "a smaller corrupt part than the app's",
    "GUARD_SECURE_AGGREGATION",
    () => check(secured({ graph: "harary", corruptFraction: "0.01" })),
  ],
  [
    "a corrupt part that no threshold withstands",
    "GUARD_SECURE_AGGREGATION",
    () => check(secured(), { corruptFraction: 0.4 }),
  ],
];
for (const [what, code, attempt] of hostile) {
  t.test(`${what} is refused with ${code}`, async (t) => {
    t.throws(attempt, { code });
  });
}
