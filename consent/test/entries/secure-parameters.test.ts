import { SecAggError } from "@fedloop/privacy/secagg";
import t from "tap";
import {
  decodeBase64Url,
  distributedMechanismFor,
  distributedMechanismOf,
  encodeUtf8,
  secureParametersOf,
  sha256Text,
} from "../../src/index.js";
import { planBody, securePlan } from "../author.js";
import { refuses } from "../refusals.js";

const leafHash = decodeBase64Url(sha256Text(encodeUtf8("plan")));
const plan = planBody(7, 4, []);

t.test("the protocol's parameters are the plan's, bound to the entry and the model", async (t) => {
  const parameters = secureParametersOf({ ...plan, secureAggregation: securePlan(20) }, leafHash);
  t.match(parameters, {
    round: 7,
    length: 10,
    bits: 20,
    valueBound: 1_100,
    overflow: "impossible",
    graph: { type: "complete" },
    minimumMembers: 10,
    maximumMembers: 30,
    minimumSurvivors: 8,
  });
  t.same(parameters.session, leafHash);
  t.same(parameters.planHash, leafHash);
  t.same(parameters.modelHash, decodeBase64Url(plan.model.sha256));
});

t.test("a sparse graph takes the plan's fractions and adversary", async (t) => {
  const secureAggregation = securePlan(20, { graph: "harary", adversary: "semi-honest", corruptFraction: "0.05" });
  t.same(secureParametersOf({ ...plan, secureAggregation }, leafHash).graph, {
    type: "harary",
    corruptFraction: 0.05,
    dropoutFraction: 0.1,
    adversary: "semi-honest",
  });
});

t.test("a plan without secure aggregation, or whose sum can overflow, is refused", async (t) => {
  refuses(t, "BAD_ENTRY", "without", () => secureParametersOf(plan, leafHash));
  const secureAggregation = securePlan(20, { valueBound: 20_000 });
  t.throws(() => secureParametersOf({ ...plan, secureAggregation }, leafHash), SecAggError);
});

t.test("noise on the devices is worked out from the plan alone, for the fewest that survive in a group", async (t) => {
  const groups = securePlan(24).parameters;
  if (groups === undefined) throw new Error("expected parameters");
  const mechanism = "distributed-skellam" as const;
  const choice = { mechanism, clipNorm: 1, noiseMultiplier: 2, dimension: 10, groups };
  const made = distributedMechanismFor(choice);
  t.match(made, { noise: "skellam", length: 16, dimension: 10, minimumSurvivors: 8, honestSurvivors: 5 });
  const entry = {
    ...plan,
    update: { ...plan.update, length: 16, dimension: 10, bits: 24 },
    privacy: { ...plan.privacy, mechanism, noiseAt: "devices" as const, clipNorm: "1", noiseMultiplier: "2" },
    secureAggregation: securePlan(24),
  };
  t.same(distributedMechanismOf(entry), made);
  t.equal(distributedMechanismOf(plan), null, "a plan with noise at the coordinator has none");
  t.equal(secureParametersOf(entry, leafHash).overflow, "improbable", "such noise has no bound");
});
