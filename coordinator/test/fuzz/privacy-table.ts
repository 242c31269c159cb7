/** What @fedloop/privacy reads of others: packed vectors, shares, events of differential privacy. */

import { Broken, below, type Draw, type Fuzzed, fixed, mutateBytes, mutateJson, one, same } from "@fedloop/fuzz";
import {
  decimalDpEvent,
  PrivacyError,
  packSigned,
  parseDecimalDpEvent,
  parseDpEvent,
  unpackSigned,
} from "@fedloop/privacy";
import { parseQuery, queryText } from "@fedloop/privacy/analytics";
import {
  packResidues,
  rebuildSecret,
  requirePacked,
  SecAggError,
  type Share,
  shareSecret,
  unpackResidues,
} from "@fedloop/privacy/secagg";

const isPrivacy = (cause: unknown): boolean => cause instanceof PrivacyError;
const isSecAgg = (cause: unknown): boolean => cause instanceof SecAggError;

export function privacyTable(): Fuzzed[] {
  return [...vectors(), shares(), ...events(), queries()];
}

/** Queries that a plan in the log asks devices. */
function queries(): Fuzzed {
  const value = { of: "mean", column: "minutes" };
  const seeds = [
    { kind: "histogram", table: "sessions", value, edges: [0, 10, 30], minimumDevices: 3 },
    {
      kind: "experiment",
      table: "messages",
      arm: "arm",
      arms: ["a", "b"],
      value,
      lower: 0,
      upper: 1,
      minimumDevices: 3,
    },
  ].map((query) => JSON.stringify(query));
  return {
    name: "parseQuery",
    inputs: 6_000,
    make: (draw) => mutateJson(seeds, draw),
    valid: seeds,
    isRefusal: isPrivacy,
    decode: (text: string) => {
      const query = parseQuery(text);
      same(parseQuery(queryText(query)), query);
      return query;
    },
  };
}

function vectors(): Fuzzed[] {
  const signed = { values: Int32Array.from([-4, 3, 0, -1, 2, 1, 3]), bits: 3 };
  const residues = { values: Uint32Array.from([0, 1, 2 ** 20 - 1, 77, 4, 5]), bits: 20 };
  const packedSigned = packSigned(signed.values, signed.bits);
  const packedResidues = packResidues(residues.values, residues.bits);
  const shape = (draw: Draw, length: number, bits: number) => ({
    length: draw() < 0.7 ? length : one(draw, [0, 1, -1, 0.5, length + 1, 2 ** 31, 2 ** 53, Number.NaN]),
    bits: draw() < 0.7 ? bits : one(draw, [0, 1, 2, 16, 31, 32, 33, -1, 1.5]),
  });
  return [
    {
      name: "unpackSigned",
      inputs: 65_000,
      make: (draw) => ({ bytes: mutateBytes([packedSigned], draw), ...shape(draw, 7, 3) }),
      valid: [{ bytes: packedSigned, length: 7, bits: 3 }],
      isRefusal: isPrivacy,
      decode: ({ bytes, length, bits }: { bytes: Uint8Array; length: number; bits: number }) =>
        same([...packSigned(unpackSigned(bytes, length, bits), bits)], [...bytes]),
    },
    {
      name: "unpackResidues",
      inputs: 65_000,
      // Length and bits are a plan's, which was checked.
      make: (draw) => ({
        bytes: mutateBytes([packedResidues], draw),
        length: one(draw, [0, 1, 5, 6, 6, 6, 7]),
        bits: one(draw, [1, 8, 16, 19, 20, 20, 20, 21, 32]),
      }),
      valid: [{ bytes: packedResidues, length: 6, bits: 20 }],
      isRefusal: isSecAgg,
      decode: ({ bytes, length, bits }: { bytes: Uint8Array; length: number; bits: number }) => {
        requirePacked(bytes, length, bits);
        same([...packResidues(unpackResidues(bytes, length, bits), bits)], [...bytes]);
      },
    },
  ];
}

function shares(): Fuzzed {
  const sharing = { threshold: 2, holders: 3 };
  let next = 0;
  const counted = { fill: (bytes: Uint8Array): void => bytes.set(fixed(bytes.length, next++)) };
  const dealt = shareSecret(fixed(32, 9), sharing, counted);
  return {
    name: "rebuildSecret",
    inputs: 30_000,
    make: (draw) =>
      Array.from({ length: below(draw, 5) }, () => ({
        x: one(draw, [0, 1, 2, 3, 4, -1, 1.5, 2 ** 40]),
        value: draw() < 0.5 ? one(draw, dealt) : mutateBytes(dealt, draw),
      })),
    valid: [[0, 2].map((index) => ({ x: index + 1, value: dealt[index] }))],
    isRefusal: isSecAgg,
    // Changed shares rebuild another secret, of which only the form can be checked: that is why it is committed to.
    decode: (all: readonly Share[]) => {
      if (rebuildSecret(all, sharing).length !== all[0]?.value.length) throw new Broken("a secret of another length");
    },
  };
}

function events(): Fuzzed[] {
  const gaussian = { type: "Gaussian", noiseMultiplier: 1.5 };
  const seeds = [
    gaussian,
    { type: "Composed", events: [gaussian, { type: "SelfComposed", count: 10, event: gaussian }] },
    { type: "PoissonSampled", samplingProbability: 0.1, event: gaussian },
    { type: "DiscreteGaussian", sigma: 3, sensitivity: 1, dimension: 5 },
    { type: "TreeAggregation", noiseMultiplier: 2, steps: 8, minSeparation: 2, maxParticipations: 3 },
    { type: "ZCdp", rho: 0.5, xi: 0 },
  ].map((event) => JSON.stringify(event));
  const decimals = seeds.map((text) => JSON.stringify(decimalDpEvent(parseDpEvent(JSON.parse(text)))));
  const make = (texts: readonly string[]) => (draw: Draw) => {
    const text = mutateJson(texts, draw);
    return isTaken(() => JSON.parse(text)) ? text : "null";
  };
  return [
    {
      name: "parseDpEvent",
      inputs: 10_000,
      make: make(seeds),
      valid: seeds,
      isRefusal: isPrivacy,
      decode: (text: string) => {
        const event = parseDpEvent(JSON.parse(text));
        same(parseDpEvent(JSON.parse(JSON.stringify(event))), event);
      },
    },
    {
      name: "parseDecimalDpEvent",
      inputs: 10_000,
      make: make(decimals),
      valid: decimals,
      isRefusal: isPrivacy,
      decode: (text: string) => {
        const event = parseDecimalDpEvent(JSON.parse(text));
        same(parseDecimalDpEvent(decimalDpEvent(event)), event);
      },
    },
  ];
}

function isTaken(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
}
