/** The numbers of docs/privacy.md, worked out again. */
import { join } from "node:path";
import { roundUpEpsilon } from "@fedloop/consent";
import { loadPlan } from "@fedloop/coordinator";
import { centralGaussian, type DpEvent, epsilonOf, noiseMultiplierFor } from "@fedloop/privacy";
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
  says(`training, ${rounds} rounds          z = z0 sqrt(4 / 0.88) = ${train.toFixed(6)}\n`);
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

  const length = 2 * plan.model.parameters;
  const { bits, clipNorm } = plan.privacy;
  const updates = centralGaussian({ clipNorm, noiseMultiplier: train, bits, dimension: length });
  const { granularity, integerNormBound } = updates.quantisation;
  t.match(privacy, `an update has 2 · ${plan.model.parameters.toLocaleString("en").replace(",", " ")} numbers`);
  t.match(
    privacy,
    `B = ${integerNormBound.toLocaleString("en").replace(",", " ")} steps of ${granularity.toPrecision(3).replace("0.0000381", "3.81e-5")}`,
  );
  t.match(privacy, `which is ${(updates.noiseStdDev * granularity).toFixed(2)} in\neach coordinate`);
  const report = centralGaussian({ clipNorm: evaluation.clipNorm, noiseMultiplier: evaluate, bits: 24, dimension: 2 });
  const noiseStdDev = report.noiseStdDev * report.quantisation.granularity;
  t.match(privacy, `standard deviation ${noiseStdDev.toFixed(1)}, which`);
});
