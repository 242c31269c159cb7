/** The numbers of docs/privacy.md, worked out again. */
import { join } from "node:path";
import { roundUpEpsilon } from "@fedloop/consent";
import { loadPlan } from "@fedloop/coordinator";
import { type DpEvent, distributedMechanism, epsilonOf, noiseMultiplierFor } from "@fedloop/privacy";
import t from "tap";
import { block, text } from "./documents.js";
import { repository } from "./surroundings.js";

const privacy = text("docs/privacy.md");

t.test("the demo's calibration is as the document works it out", async (t) => {
  const { plan } = await loadPlan(join(repository, "examples", "lecturers", "plan.yaml"));
  const { rounds, evaluation, cap } = plan;
  t.ok(evaluation !== null && cap !== null && plan.privacy.mechanism !== "none");
  if (evaluation === null || cap === null || plan.privacy.mechanism === "none") return;
  const event = (z: number): DpEvent => ({ type: "Gaussian", noiseMultiplier: z });
  const z0 = noiseMultiplierFor({ ...cap, accountant: "rdp", event });
  const train = z0 * Math.sqrt(rounds / (1 - evaluation.budgetShare));
  const evaluate = z0 * Math.sqrt(1 / evaluation.budgetShare);
  const written = block(privacy, "vectors", "calibration");
  const says = (line: string) => t.match(written, line, line);
  says(`z0                          ${z0.toFixed(6)}    rho = 1/(2 z0^2) = ${(1 / (2 * z0 * z0)).toFixed(6)}\n`);
  says(`training, ${rounds} rounds          z = z0 sqrt(${rounds} / 0.88) = ${train.toFixed(6)}\n`);
  says(`evaluation, 1 round         z = z0 sqrt(1 / 0.12) = ${evaluate.toFixed(6)}\n`);
  const events: DpEvent[] = [];
  const spent = (accountant: "rdp" | "pld"): number =>
    epsilonOf({ type: "Composed", events }, cap.delta, accountant).epsilon;
  // As the log claims it.
  const claimed = (): string => roundUpEpsilon(spent("rdp")).toFixed(6);
  for (let round = 1; round <= rounds; round++) {
    events.push(event(train));
    says(`after training round ${round}      epsilon ${claimed()}\n`);
  }
  events.push(event(evaluate));
  says(`after the evaluation        epsilon ${claimed()}\n`);
  t.match(privacy, `it would give ε = ${spent("pld").toFixed(2)}`);

  // Of the people who consent, as the demo starts with them.
  const consenting = 2_881;
  const most = Math.ceil(consenting * plan.cohort.overSelection);
  const least = Math.floor(0.95 * consenting);
  const secure = plan.secureAggregation;
  t.ok(secure.enabled, "the demo's devices mask their updates");
  if (!secure.enabled) return;
  const shared = { noise: "discrete-gaussian", cohort: most, dropoutFraction: 1 - least / most } as const;
  const { bits, clipNorm } = plan.privacy;
  const { corruptFraction } = secure;
  const spaced = (value: number): string => value.toLocaleString("en").replace(",", " ");
  const dimension = 2 * plan.model.parameters;
  const updates = distributedMechanism({
    ...shared,
    corruptFraction,
    clipNorm,
    bits,
    noiseMultiplier: train,
    dimension,
  });
  const { granularity, integerNormBound } = updates.quantisation;
  const step = updates.deviceNoiseStdDev * granularity;
  for (const part of [
    `group may have up to ${spaced(most)} members, a round goes on with at least ${spaced(least)}`,
    `coordinator: ${spaced(updates.honestSurvivors)} are left`,
    `an update has 2 · ${spaced(plan.model.parameters)} numbers`,
    `padded to ${spaced(updates.length)}`,
    `B = ${integerNormBound} steps of ${granularity.toPrecision(3)}`,
    `standard deviation ${updates.deviceNoiseStdDev.toFixed(2)} steps`,
    `is ${train.toFixed(6)} · ${integerNormBound} steps, which is ${(step * Math.sqrt(updates.honestSurvivors)).toFixed(2)} in`,
    `all ${spaced(consenting)} add ${(step * Math.sqrt(consenting)).toFixed(2)}`,
  ]) {
    t.ok(privacy.includes(part), part);
  }
  const report = distributedMechanism({
    ...shared,
    corruptFraction,
    clipNorm: evaluation.clipNorm,
    bits: 32,
    noiseMultiplier: evaluate,
    dimension: 2,
  });
  const noiseStdDev = report.deviceNoiseStdDev * report.quantisation.granularity * Math.sqrt(consenting);
  t.match(privacy, `standard deviation ${noiseStdDev.toFixed(1)}, which`);
  // What the devices' noises together cost, as the plan of each round has it.
  const exact = epsilonOf(
    { type: "Composed", events: [...Array(rounds).fill(updates.event), report.event] },
    cap.delta,
    "rdp",
  );
  t.equal(roundUpEpsilon(exact.epsilon).toFixed(6), "4.000000");
});
