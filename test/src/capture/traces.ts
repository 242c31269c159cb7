import { createHash } from "node:crypto";
import { decodeDistributed, encodeDistributed, systemRandom } from "@fedloop/privacy";
import { centre, packResidues, unpackResidues } from "@fedloop/privacy/secagg";
import type { SubmitMaskedRequest } from "@fedloop/proto";
import { type CapturedRound, type CapturedRun, type Insight, requestOf } from "./captured-run.js";
import { correlation, numbersIn } from "./correlation.js";
import { encodings, type Needle, NeedleSearch } from "./needles.js";
import type { RecordedCall } from "./recording-proxy.js";

/** As many events in a row as are searched for. */
const EVENTS = 6;
/** Numbers of an update as many as are searched for, in several places. */
const PLACES = 3;
/** People whose vectors are made once more without masks. */
const UNMASKED = 300;

/** What somebody's events, updates and reports look like wherever they are written as such. */
export function* needlesOf({ person, updates }: Insight, name: string): Generator<Needle> {
  const items = [...person.ratings.items].slice(0, EVENTS);
  const ratings = [...person.ratings.ratings].slice(0, EVENTS);
  if (!countsOn(items)) yield* encodings(`the lecturers that ${name} rated`, items);
  yield* encodings(
    `the events of ${name}`,
    items.flatMap((item, i) => [item, ratings[i] ?? 0]),
  );
  for (const [round, update] of updates) {
    const norm = Math.hypot(...update);
    for (const [kind, scale] of [
      ["update", 1],
      ["clipped update", Math.min(1, 5 / norm)],
    ] as const) {
      const scaled = update.map((value) => value * scale);
      // A number of full precision with its neighbour: eight bytes or more, of which four are as good as random.
      for (let [i, places] = [0, 0]; i + 1 < scaled.length && places < PLACES; i++) {
        if (!isTelling(scaled[i] ?? 0)) continue;
        places += 1;
        yield* encodings(`${kind} ${i} of ${name} in round ${round}`, [...scaled.subarray(i, i + 2)]);
      }
    }
  }
}

/** Whether numbers follow one another as in any list of members: somebody's first lecturers may be 6, 7, 8, 9. */
function countsOn(values: readonly number[]): boolean {
  return values.filter((value, i) => i > 0 && value !== (values[i - 1] ?? 0) + 1).length < 2;
}

const single = new Float32Array(1);
const singleBytes = new Uint8Array(single.buffer);

/** Whether a number's bytes do not come by chance, as those of a half or a quarter do. */
export function isTelling(value: number): boolean {
  single[0] = value;
  return singleBytes.every((byte) => byte !== 0) && new Set(singleBytes).size >= 3;
}

/** Everything of a run that is found where it must not be: the names of what was searched for. */
export function findings(run: CapturedRun): { readonly found: ReadonlySet<string>; readonly needles: number } {
  const search = new NeedleSearch(run.people.flatMap((insight, i) => [...needlesOf(insight, `person ${i}`)]));
  const found = new Set<string>();
  const look = (bytes: Uint8Array): void => {
    for (const name of search.in(bytes)) found.add(name);
  };
  const seen = new Set<string>();
  for (const { headers, request, response } of run.calls) {
    look(Buffer.from(headers));
    look(request);
    // The same model, plan or survivor set goes to everybody.
    const name = response.length > 1_000 ? response.toString("latin1") : "";
    if (name === "" || !seen.has(name)) look(response);
    if (name !== "" && seen.size < 64) seen.add(name);
  }
  for (const bytes of run.files.values()) look(bytes);
  return { found, needles: search.size };
}

/** A vector as a device sent it. */
export interface SentVector {
  readonly device: string;
  readonly round: number;
  readonly bytes: Uint8Array;
}

/** Whether the request came to its end: a device on a busy machine may give a call up and make it anew. */
function isWhole({ request }: RecordedCall): boolean {
  return request.length >= 5 && request.length === 5 + request.readUInt32BE(1);
}

/**
 * The vectors that devices sent. One that was sent again counts once, if it is the same to the byte: another under the same
 * masks would give their difference away.
 */
export function sentVectors({ calls }: CapturedRun): SentVector[] {
  const vectors = new Map<string, SentVector>();
  for (const call of calls) {
    if (call.path !== "/fedloop.v1.Rounds/SubmitMasked" || call.device === undefined || !isWhole(call)) continue;
    const { round, inlineUpdate } = requestOf(call) as SubmitMaskedRequest;
    const digest = createHash("sha256").update(inlineUpdate).digest("hex");
    vectors.set(`${call.device} ${round} ${digest}`, {
      device: call.device,
      round: Number(round),
      bytes: inlineUpdate,
    });
  }
  return [...vectors.values()];
}

/**
 * The vectors that devices would have sent in a round with noise, but without masks: of so many people as the difference
 * shows in.
 */
export function unmaskedVectors(run: CapturedRun, { round, seed, mechanism }: CapturedRound): SentVector[] {
  if (mechanism === null) throw new Error("expected a round with noise of the devices");
  const random = systemRandom();
  const { bits } = mechanism.quantisation;
  return run.people.slice(0, UNMASKED).flatMap(({ device, updates }) => {
    const update = updates.get(round);
    if (device === undefined || update === undefined) return [];
    const integers = encodeDistributed(new Float32Array(update), mechanism, seed, random);
    const residues = Uint32Array.from(integers, (value) => value & (2 ** bits - 1));
    return [{ device, round, bytes: packResidues(residues, bits) }];
  });
}

/**
 * How much the vectors of a round have in common with the updates that they carry, in standard deviations of what vectors
 * that say nothing would have: masked ones are uniform, so each is a normal deviate.
 *
 * @returns their sum over the square root of their number, a normal deviate too, and the largest in magnitude
 */
export function likeness(
  run: CapturedRun,
  { round, seed, mechanism }: CapturedRound,
  vectors: readonly SentVector[],
): { readonly together: number; readonly largest: number; readonly count: number } {
  if (mechanism === null) throw new Error("expected a round with noise of the devices");
  const { length, quantisation } = mechanism;
  const updates = new Map(run.people.map(({ device, updates }) => [device, updates.get(round)] as const));
  const deviates: number[] = [];
  for (const vector of vectors) {
    const update = updates.get(vector.device);
    if (vector.round !== round || update === undefined) continue;
    const integers = centre(unpackResidues(vector.bytes, length, quantisation.bits), quantisation.bits);
    const decoded = decodeDistributed(integers, mechanism, seed);
    deviates.push(cosine(decoded, update) * Math.sqrt(update.length));
  }
  return {
    together: deviates.reduce((sum, deviate) => sum + deviate, 0) / Math.sqrt(deviates.length),
    largest: Math.max(...deviates.map(Math.abs)),
    count: deviates.length,
  };
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < b.length; i++) {
    ab += (a[i] ?? 0) * (b[i] ?? 0);
    aa += (a[i] ?? 0) ** 2;
    bb += (b[i] ?? 0) ** 2;
  }
  return aa === 0 || bb === 0 ? 0 : ab / Math.sqrt(aa * bb);
}

/** A number that goes with how many examples a device has. */
export interface Telltale {
  readonly field: string;
  readonly count: "training" | "held back" | "all";
  readonly correlation: number;
}

/**
 * Numbers in requests, sizes included, that go with the number of a device's examples; and the vectors' own coordinates.
 *
 * @param least correlation that is told
 */
export function telltales(
  run: CapturedRun,
  least: number,
  more: ReadonlyMap<string, ReadonlyMap<string, number>> = new Map(),
): Telltale[] {
  const byField = new Map<string, Map<string, number>>(
    [...more].map(([field, values]) => [field, new Map(values)] as const),
  );
  const add = (field: string, device: string, amount: number): void => {
    const values = byField.get(field) ?? new Map<string, number>();
    byField.set(field, values.set(device, (values.get(device) ?? 0) + amount));
  };
  for (const call of run.calls) {
    if (call.device === undefined || !isWhole(call)) continue;
    add(`${call.path} calls`, call.device, 1);
    add(`${call.path} bytes`, call.device, call.request.length);
    add(`${call.path} headers`, call.device, call.headers.length);
    for (const [field, amount] of numbersIn(requestOf(call))) add(`${call.path}${field}`, call.device, amount);
  }
  const vectors = sentVectors(run);
  for (const { round, mechanism } of run.rounds) {
    if (mechanism === null || mechanism.length > 16) continue;
    const { bits } = mechanism.quantisation;
    for (const vector of vectors) {
      if (vector.round !== round) continue;
      const values = centre(unpackResidues(vector.bytes, mechanism.length, bits), bits);
      values.forEach((value, i) => {
        add(`coordinate ${i} of round ${round}`, vector.device, value);
      });
    }
  }
  const counts = {
    training: new Map<string, number>(),
    "held back": new Map<string, number>(),
    all: new Map<string, number>(),
  };
  for (const { device, person } of run.people) {
    if (device === undefined || person.decision !== "give") continue;
    const held = person.ratings.held.reduce((sum, is) => sum + is, 0);
    counts["held back"].set(device, held);
    counts.training.set(device, person.ratings.held.length - held);
    counts.all.set(device, person.ratings.held.length);
  }
  const told: Telltale[] = [];
  for (const [field, values] of byField) {
    for (const count of ["training", "held back", "all"] as const) {
      const devices = [...values.keys()].filter((device) => counts[count].has(device));
      const r = correlation(
        devices.map((device) => values.get(device) ?? 0),
        devices.map((device) => counts[count].get(device) ?? 0),
      );
      if (Math.abs(r) > least) told.push({ field, count, correlation: r });
    }
  }
  return told;
}
