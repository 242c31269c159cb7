/** A model trained in federation and evaluated by AUC from secure histograms; the journal computes all of it again. */
import { appendFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { logisticRegressionTrainer } from "@fedloop/client-runtime";
import { nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import t from "tap";
import { Federation } from "../server/federation.js";
import { command } from "./command.js";

const PEOPLE = 5;
const ROWS = 40;

/** One number a row, of which a larger one is more often labelled 1. */
const people = Array.from({ length: PEOPLE }, (_, person) => {
  const features = Float32Array.from({ length: ROWS }, (_, i) => ((37 * i + 11 * person) % 100) / 50 - 1);
  return {
    features,
    labels: Uint8Array.from(features, (x, i) => (x + (((13 * i + 7 * person) % 20) / 10 - 1) > 0 ? 1 : 0)),
    held: Uint8Array.from({ length: ROWS }, (_, i) => i % 2),
  };
});

/** AUC of the held rows by their only feature, which any increasing model orders them by. */
function centralAuc(): number {
  const rows = people.flatMap(({ features, labels, held }) =>
    [...features].flatMap((x, i) => (held[i] === 1 ? [{ x, isTrue: labels[i] === 1 }] : [])),
  );
  const [positives, negatives] = [true, false].map((truth) => rows.filter(({ isTrue }) => isTrue === truth));
  const wins = (positives ?? []).flatMap(({ x }) =>
    (negatives ?? []).map((other) => (x > other.x ? 1 : x === other.x ? 0.5 : 0)),
  );
  return wins.reduce((sum: number, win) => sum + win, 0) / wins.length;
}

t.test("a trained model is evaluated by AUC, under masks, and a model file that was changed is told", async (t) => {
  const plan = {
    model: { tensors: { weights: [2] } },
    trainer: { id: "logistic-regression", settings: { epochs: 20 } },
    cohort: { target: PEOPLE, minimum: PEOPLE - 1, overSelection: 1 },
    privacy: { mechanism: "none", reason: "the test compares exact numbers", clipNorm: 10 },
    secureAggregation: { enabled: true },
    evaluation: { metric: "auc" },
  };
  const federation = await Federation.open(t, { plan });
  const secureAggregation = nodeDeviceCrypto({ random: systemRandom(), verifier: nodeVerifier() });
  const joined = await Promise.all(
    people.map((rows) => federation.join({ trainer: logisticRegressionTrainer(rows), secureAggregation })),
  );
  const parts = joined.map((participant) => federation.takePart(participant));
  await federation.run();
  await Promise.all(parts);
  t.same(federation.faults, []);
  const [, evaluated] = await federation.entries("round.plan");
  t.same([evaluated?.body.kind, evaluated?.body.trainer.settings.report], ["evaluate", "scores"]);
  t.equal(evaluated?.body.update.length, 64);
  t.ok((await federation.audit()).ok);
  const [release] = await federation.entries("model.release");
  await federation.close();

  const journal = async () => {
    const { exitCode, out } = await command(federation.folder, "journal", "--json");
    return { exitCode, ...JSON.parse(out) };
  };
  const first = await journal();
  t.equal(first.exitCode, 0);
  const { values } = first.journal.at(-1);
  const truth = centralAuc();
  t.ok(values.aucLow < truth && truth < values.aucHigh, `${values.aucLow} < ${truth} < ${values.aucHigh}`);
  t.ok(Math.abs(values.auc - truth) < 0.02 && truth > 0.8, `AUC ${values.auc}, of all rows in one place ${truth}`);
  t.ok(Math.abs(values.calibrationGap) < 0.1, `calibration gap ${values.calibrationGap}`);

  const name = Buffer.from(release?.body.model ?? "", "base64url").toString("hex");
  const file = join(federation.folder, "artifacts", name.slice(0, 2), name);
  appendFileSync(file, "x");
  const changed = await journal();
  t.equal(changed.exitCode, 4);
  t.same(
    changed.journal.map((entry: { type: string; differing: string[] }) => [entry.type, entry.differing]),
    first.journal.map(({ type, model }: { type: string; model: string }) => [
      type,
      model === release?.body.model ? ["model"] : [],
    ]),
  );
  t.match((await command(federation.folder, "journal")).err, /entry \d+: model come out otherwise now/);
  renameSync(file, `${file}.away`);
  t.equal((await journal()).exitCode, 4, "gone is not the same either");
  rmSync(`${file}.away`);
});
