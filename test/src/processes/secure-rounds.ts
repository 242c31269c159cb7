import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ArtifactStore, decodeSafetensors, openSqliteStore } from "@fedloop/coordinator";
import type { Test } from "tap";
import { LineProcess } from "./lines.js";
import type { PlanSections } from "./serve.js";

/** Calls of secure aggregation, in their order. */
export type SecureCall = "advertiseKeys" | "shareKeys" | "submitMasked" | "confirmSurvivors" | "unmask";

export interface DeviceLine {
  readonly event: "joined" | "at" | "accepted" | "abandoned" | "done";
  readonly subject?: string;
  readonly round?: number;
}

/** A device in a process of its own, which can be stopped before one of its calls. */
export class SecureDevice extends LineProcess<DeviceLine> {
  readonly value: number;

  constructor(t: Test, address: string, value: number, call: SecureCall | "" = "") {
    super(t, [fileURLToPath(new URL("./secure-device.js", import.meta.url)), address, String(value), call]);
    this.value = value;
  }

  /** The name under which the coordinator's books have it. */
  async subject(): Promise<string> {
    return (await this.line(({ event }) => event === "joined")).subject ?? "";
  }

  /** Waits until it stands before the call that it was told to stop at. */
  async standing(): Promise<void> {
    await this.line(({ event }) => event === "at");
  }

  /** Ends it on the spot, as a device whose battery is empty. */
  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exit();
  }

  letGo(): void {
    this.child.stdin?.write("go\n");
  }

  /** Whether it was told that its update is in a round's sum. */
  hasAccepted(round: number): boolean {
    return this.lines.some((line) => line.event === "accepted" && line.round === round);
  }
}

/** A plan under secure aggregation, everybody paired with everybody. */
export function securePlan(
  cohort: { readonly target: number; readonly minimum: number },
  report = "20s",
): PlanSections {
  return {
    cohort: { ...cohort, overSelection: 1 },
    deadlines: { selection: "60s", report },
    privacy: { mechanism: "none", reason: "the test compares exact numbers", clipNorm: 1_024, bits: 24 },
    secureAggregation: { enabled: true },
  };
}

/** What a coordinator that has ended left of a round. */
export interface RoundBooks {
  readonly state: string;
  readonly reason: string | null;
  /** In the sum, in order. */
  readonly subjects: readonly string[];
  /** The newest model's first parameter. */
  readonly model: number;
}

/** @param config path of fedloop.yaml */
export async function roundBooks(config: string, round: number): Promise<RoundBooks> {
  const dataDir = join(config, "..", "data");
  await using store = await openSqliteStore(join(dataDir, "fedloop.sqlite"));
  const { state, reason } = await store.db
    .selectFrom("rounds")
    .select(["state", "reason"])
    .where("round", "=", round)
    .executeTakeFirstOrThrow();
  const members = await store.db
    .selectFrom("participants")
    .select("subject")
    .where("round", "=", round)
    .where("state", "=", "submitted")
    .execute();
  const { sha256 } = await store.db
    .selectFrom("models")
    .select("sha256")
    .orderBy("round", "desc")
    .executeTakeFirstOrThrow();
  const artifacts = await ArtifactStore.open(join(dataDir, "artifacts"));
  return {
    state,
    reason,
    subjects: members.map(({ subject }) => subject).sort(),
    model: decodeSafetensors(await artifacts.read(sha256)).parameters[0] ?? Number.NaN,
  };
}
