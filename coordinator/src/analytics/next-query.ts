// The question of a round that follows from what rounds before it have released.
import { type EntryBodies, parseEntry } from "@fedloop/consent";
import type { AdaptationSources } from "../rounds/adapted-spec.js";
import { membersOf } from "../rounds/logged-round.js";
import { withQuery } from "../rounds/query-rounds.js";
import type { RoundSpec } from "../rounds/round-spec.js";
import { askedIn, readRelease } from "./release.js";

/**
 * A round of heavy hitters with the prefixes that are due: what its own plan says where that is logged, else what follows
 * from the step before. So a restart changes nothing.
 */
export async function nextQuery(
  spec: RoundSpec,
  own: EntryBodies["round.plan"] | undefined,
  { population, store, ledger, artifacts }: AdaptationSources,
): Promise<RoundSpec> {
  const { query } = spec;
  if (query === null || query.step === 1) return spec;
  const logged = own === undefined ? undefined : askedIn(own)?.query;
  if (logged !== undefined) return withQuery(spec, { ...query, ask: logged });
  const last = await store.db
    .selectFrom("rounds")
    .select(["round", "plan_index", "aggregate"])
    .where("population", "=", population)
    .where("state", "=", "closed")
    .orderBy("round", "desc")
    .executeTakeFirst();
  if (last?.plan_index == null || last.aggregate === null) return spec;
  const entry = parseEntry(await ledger.entry(last.plan_index));
  if (entry.type !== "round.plan") return spec;
  const members = await membersOf(store, { population, round: last.round, planIndex: last.plan_index });
  const released = new Uint8Array(await artifacts.read(last.aggregate));
  const { prefixes = [] } = readRelease(entry.body, new Float32Array(released.buffer), members);
  return query.ask.kind === "heavy-hitters" ? withQuery(spec, { ...query, ask: { ...query.ask, prefixes } }) : spec;
}
