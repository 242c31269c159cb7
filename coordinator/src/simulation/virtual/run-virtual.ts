import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { SimulateOptions } from "../../cli/options.js";
import type { LoadedPlan } from "../../plan/load.js";
import { Progress } from "../progress.js";
import { simulationPage } from "./report-page.js";
import { masksLine, roundLine, simulationReport } from "./report-text.js";
import { simulatePlan, type VirtualSimulation } from "./simulate-plan.js";

const MODEL = "model.safetensors";
const PAGE = "simulation.html";

/** What `fedloop simulate --json` prints of a simulation with virtual devices. */
export type VirtualSummary = Omit<VirtualSimulation, "model"> & { readonly model: string; readonly page: string };

/**
 * `fedloop simulate` for a plan with a section `simulation`: progress while it runs, model and page in the output folder, then a
 * table and a plot, or with --json one object.
 *
 * @throws CoordinatorError as `simulatePlan`
 */
export async function runVirtual(loaded: LoadedPlan, options: SimulateOptions, out: string): Promise<VirtualSummary> {
  const progress = new Progress({ quiet: false });
  const { plan } = loaded;
  progress.step(`${plan.population}: ${options.participants ?? plan.simulation?.devices} virtual devices`);
  const result = await simulatePlan({
    loaded,
    folder: dirname(resolve(options.plan)),
    devices: options.participants,
    seed: options.seed,
    threads: options.threads,
    signal: options.signal,
    onStart: (masks) => progress.step(masksLine(masks)),
    onRound: (report) => progress.step(roundLine(report)),
  });
  progress.end();
  await mkdir(out, { recursive: true });
  const files = { model: join(out, MODEL), page: join(out, PAGE) };
  await writeFile(files.model, result.model);
  await writeFile(files.page, simulationPage(result));
  const summary: VirtualSummary = { ...result, ...files };
  options.print(options.json ? `${JSON.stringify(summary)}\n` : simulationReport(result, files));
  return summary;
}
