import { relative } from "node:path";
import type { RoundKind } from "../store/database.js";

/** What `npm start -- --json` prints as its last line. */
export interface DemoSummary {
  readonly population: string;
  readonly participants: number;
  readonly consented: number;
  /** Of training, and of evaluation: they are numbered together. */
  readonly rounds: number;
  readonly evaluations: number;
  readonly metric: {
    readonly name: "rmse";
    /** Of the federated model, from a federated evaluation. */
    readonly value: number;
    /** Of predicting the mean, and of the same model on pooled data: known only because this is a simulation. */
    readonly globalMean: number;
    readonly central: number;
  };
  readonly privacy: {
    readonly unit: "participant" | "example";
    /** Null without differential privacy: nothing is bounded then. */
    readonly epsilon: number | null;
    readonly delta: number | null;
    readonly accountant: string;
  };
  readonly ledger: { readonly size: number; readonly root: string; readonly verified: boolean };
  /** Absolute paths. */
  readonly bundle: string;
  readonly model: string;
  readonly seconds: number;
  readonly peakServerMb: number;
}

/** What a person is told of a round as it goes on: evaluations are numbered with the others. */
export function roundName({ round, kind }: { readonly round: number; readonly kind: RoundKind }): string {
  return kind === "train" ? `Round ${round}` : `Round ${round} (evaluation)`;
}

function courseText({ rounds, evaluations }: DemoSummary): string {
  const trained = `${rounds} ${rounds === 1 ? "round" : "rounds"} of training`;
  if (evaluations === 0) return trained;
  return `${trained} and ${evaluations === 1 ? "an evaluation" : `${evaluations} evaluations`}`;
}

/** The summary for a person, with what to look at next. */
export function demoText(summary: DemoSummary): string {
  const { metric, privacy, ledger } = summary;
  const declined = summary.participants - summary.consented;
  const bundle = relative(process.cwd(), summary.bundle);
  const model = relative(process.cwd(), summary.model);
  const budget =
    privacy.epsilon === null
      ? "no differential privacy, as asked; the ledger holds the reason"
      : `ε = ${privacy.epsilon} at δ = ${privacy.delta} for each ${privacy.unit}, in all (${privacy.accountant})`;
  return `
${summary.consented} of ${summary.participants} people took part in ${courseText(summary)}; ${declined} had refused or withdrawn and were not used.

  test RMSE    ${metric.value}   (predicting the mean ${metric.globalMean}, all data on one server ${metric.central})
  privacy      ${budget}
  ledger       ${ledger.size} entries, ${ledger.verified ? "verified" : "NOT VERIFIED"}, root ${ledger.root}
  took         ${summary.seconds} s, coordinator at most ${summary.peakServerMb} MB

Look next at
  ${model}   the model; any tool that reads safetensors opens it
  npx fedloop-audit verify ${bundle}   what the auditor checked; change one byte and run it again
  npx fedloop status --config ${relative(process.cwd(), summary.bundle).replace(/[^/\\]+$/, "fedloop.yaml")}   rounds and budget
`;
}
