import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";
import { LineProcess } from "./lines.js";

/** The installed commands, seen from the compiled file. */
export const FEDLOOP: string = fileURLToPath(new URL("../../../../coordinator/dist/src/cli/main.js", import.meta.url));

export const FEDLOOP_AUDIT: string = fileURLToPath(
  new URL("../../../../consent/dist/src/cli/main.node.js", import.meta.url),
);

export const POPULATION = "lecturers";
export const PURPOSE = "lecture-recommendations";
export const ORIGIN = "example.org/processes";

/** A line that `fedloop serve --json` prints. */
export interface ServeLine {
  readonly event: string;
  readonly address?: string;
  readonly http?: string | null;
  readonly verifierKey?: string;
  readonly round?: number;
  readonly state?: string;
  readonly reason?: string | null;
  readonly deadlineMs?: number | null;
  readonly why?: string;
  readonly peakServerMb?: number;
  readonly population?: string;
  readonly verdict?: string;
}

/** Sections of a plan, as JSON (which YAML includes). */
export type PlanSections = Readonly<Record<string, unknown>>;

const PLAN: PlanSections = {
  population: POPULATION,
  controller: "Example University",
  purpose: PURPOSE,
  notice: { file: "notice.md" },
  language: "en",
  dataCategories: ["lecture ratings"],
  model: { parameters: 3 },
  trainer: { id: "test" },
  rounds: 1,
  cohort: { target: 3, minimum: 3, overSelection: 1 },
  deadlines: { selection: "20s", report: "20s" },
  privacy: { mechanism: "none", reason: "the test compares exact numbers" },
  secureAggregation: { enabled: false, reason: "the test looks at sums" },
};

/** A folder of the test's own, removed when the test is over. */
export function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), "fedloop-test-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Where HTTP is to be served, and to which web origins. */
export interface HttpSection {
  readonly port: number;
  readonly corsOrigins: readonly string[];
  readonly consentCentre?: { readonly jurisdiction: string };
}

/**
 * Writes configuration, plans and notice.
 *
 * @param others sections of further populations' plans
 * @returns path of the configuration
 */
export function writeConfiguration(
  folder: string,
  plan: PlanSections = {},
  port = 0,
  http?: HttpSection,
  others: readonly PlanSections[] = [],
): string {
  writeFileSync(join(folder, "notice.md"), "Your ratings train a model. They stay with you.\n");
  const plans = [plan, ...others].map((sections, at) => {
    const name = at === 0 ? "plan.yaml" : `plan-${at + 1}.yaml`;
    writeFileSync(join(folder, name), JSON.stringify({ ...PLAN, ...sections }));
    return name;
  });
  const config = join(folder, "fedloop.yaml");
  const listen = { host: "127.0.0.1", port };
  writeFileSync(
    config,
    JSON.stringify({ origin: ORIGIN, dataDir: "data", listen, http, plans, log: { level: "warn" } }),
  );
  return config;
}

/** `fedloop serve` in a process of its own. */
export class ServeProcess extends LineProcess<ServeLine> {
  /** @param config path of fedloop.yaml */
  constructor(t: Test, config: string, flags: readonly string[] = []) {
    super(t, [FEDLOOP, "--config", config, "serve", "--json", ...flags]);
  }

  /** Where it listens, and the key of its log. */
  async listening(): Promise<{ readonly address: string; readonly http: string; readonly verifierKey: string }> {
    const { address = "", http, verifierKey = "" } = await this.line(({ event }) => event === "listening");
    return { address, http: http ?? "", verifierKey };
  }
}
