import { type EntryBodies, parseEntry } from "@fedloop/consent";
import type { Ledger } from "../ledger/ledger.js";
import type { ArtifactStore } from "../models/artifact-store.js";
import type { Store } from "../store/database.js";
import { clipNormAfter, withClipNorm } from "./adaptive-clip.js";
import type { RoundSpec } from "./round-spec.js";

/** Where the past of a population is found. */
export interface AdaptationSources {
  readonly population: string;
  readonly store: Pick<Store, "db">;
  readonly ledger: Pick<Ledger, "entry">;
  readonly artifacts: Pick<ArtifactStore, "read">;
}

/**
 * A round with the clip norm that is due: what its own plan says where that is logged, else what follows from the last
 * training round's plan and from what that released. So a restart changes nothing.
 *
 * @param spec as the population's plan has it
 * @param own the round's plan, once it is in the log
 */
export async function adaptedSpec(
  spec: RoundSpec,
  own: EntryBodies["round.plan"] | undefined,
  { population, store, ledger, artifacts }: AdaptationSources,
): Promise<RoundSpec> {
  if (spec.adaptive === null) return spec;
  const logged = own?.privacy.adaptiveClipping?.clipNorm;
  if (logged !== undefined) return withClipNorm(spec, Number(logged));
  const last = await store.db
    .selectFrom("rounds")
    .select(["plan_index", "aggregate"])
    .where("population", "=", population)
    .where("kind", "=", "train")
    .where("state", "=", "closed")
    .orderBy("round", "desc")
    .executeTakeFirst();
  if (last?.plan_index == null || last.aggregate === null) return spec;
  const entry = parseEntry(await ledger.entry(last.plan_index));
  const released = await artifacts.read(last.aggregate);
  const report = Buffer.from(released.subarray(-4)).readFloatLE();
  const clipNorm = entry.type === "round.plan" ? clipNormAfter(entry.body, report) : undefined;
  return clipNorm === undefined ? spec : withClipNorm(spec, clipNorm);
}
