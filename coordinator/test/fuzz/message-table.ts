/** What coordinators and aggregators say to one another, put together from parts that anybody may have written. */
import { Broken, below, type Draw, type Fuzzed, fixed, mutateBytes, mutateJson, one, same, utf8 } from "@fedloop/fuzz";
import { CoordinatorError } from "../../src/errors.js";
import { groupShapeText, groupSumBytes, parseGroupShape, parseGroupSum } from "../../src/messaging/group-messages.js";
import { Parts, type WorkPart } from "../../src/messaging/parts.js";
import { GroupSeal } from "../../src/messaging/seal.js";
import { parseUnmaskText, unmaskText } from "../../src/messaging/unmask-text.js";
import { contentsOf, partContext } from "../../src/messaging/work-stream.js";

const isCoordinator = (cause: unknown): boolean => cause instanceof CoordinatorError;

const LENGTH = 6;
const HELD_BYTES = 4_096;
const KINDS = ["open", "vector", "finish", "drop", "sum", "lost"] as const;

function work(): Parameters<typeof unmaskText>[0] {
  return {
    parameters: {
      session: fixed(32, 1),
      round: 3,
      planHash: fixed(32, 2),
      modelHash: fixed(32, 3),
      length: LENGTH,
      bits: 20,
      valueBound: 5,
      overflow: "impossible",
      graph: { type: "complete" },
      minimumMembers: 3,
      maximumMembers: 9,
      minimumSurvivors: 3,
    },
    sharing: { holders: 4, threshold: 3 },
    tasks: [
      {
        type: "self-mask",
        member: 0,
        shares: { coordinates: [1, 2, 3], values: fixed(96, 4) },
        commitment: fixed(32, 5),
      },
      {
        type: "pair-masks",
        member: 1,
        shares: { coordinates: [1, 2, 4], values: fixed(96, 6) },
        maskPublicKey: fixed(32, 7),
        survivors: [{ member: 0, maskPublicKey: fixed(32, 8) }],
      },
    ],
  };
}

function bytesOrJson(seed: Uint8Array): (draw: Draw) => Uint8Array {
  const text = Buffer.from(seed).toString();
  return (draw) => (draw() < 0.5 ? mutateBytes([seed], draw) : utf8(mutateJson([text], draw)));
}

export function messageTable(): Fuzzed[] {
  const text = unmaskText(work());
  const shape = groupShapeText({ length: LENGTH, bits: 20 });
  const sums = [groupSumBytes([], Uint32Array.from([1, 2, 3, 4, 5, 6])), groupSumBytes([1, 4], new Uint32Array(0))];
  const seal = new GroupSeal(fixed(32, 9), "group");
  const message = { group: "group", kind: "vector", number: 3, from: "leader" } as const;
  const sealed = [0, 1].map((part) => seal.seal(partContext(message, part, 2), fixed(40, part)));
  return [
    {
      name: "parseUnmaskText",
      inputs: 3_000,
      make: bytesOrJson(text),
      valid: [text],
      isRefusal: isCoordinator,
      decode: (bytes: Uint8Array) => {
        const parsed = parseUnmaskText(bytes);
        same(parseUnmaskText(unmaskText(parsed)), parsed);
        return parsed;
      },
    },
    {
      name: "parseGroupShape",
      inputs: 6_000,
      make: bytesOrJson(shape),
      valid: [shape],
      isRefusal: isCoordinator,
      decode: (bytes: Uint8Array) =>
        same(parseGroupShape(groupShapeText(parseGroupShape(bytes))), parseGroupShape(bytes)),
    },
    {
      name: "parseGroupSum",
      inputs: 6_000,
      make: (draw) => mutateBytes(sums, draw),
      valid: sums,
      isRefusal: isCoordinator,
      decode: (bytes: Uint8Array) => {
        const { correction, inconsistent } = parseGroupSum(bytes, LENGTH);
        if (inconsistent.length === 0 && correction.length !== LENGTH) throw new Broken("a sum of another length");
      },
    },
    {
      name: "contentsOf a sealed message",
      inputs: 6_000,
      make: (draw) => {
        const changed = below(draw, 3);
        return sealed.map((part, at) => (changed === at ? mutateBytes([part], draw) : part));
      },
      valid: [sealed],
      // OpenSSL's own refusal, which only says that something was changed.
      isRefusal: (cause) => cause instanceof Error,
      decode: (parts: readonly Uint8Array[]) =>
        same([...contentsOf({ ...message, parts }, seal)], [...fixed(40, 0), ...fixed(40, 1)]),
    },
    {
      name: "Parts",
      inputs: 3_000,
      neverRefuses: true,
      make: (draw) =>
        Array.from({ length: 1 + below(draw, 40) }, (): WorkPart => {
          const parts = one(draw, [1, 2, 3, 4_096, 4_097, 2 ** 53, Number.NaN, -1, 1.5]);
          return {
            group: one(draw, ["a", "b", "__proto__"]),
            kind: one(draw, KINDS),
            number: one(draw, [0, 0, 0, 1, -1, Number.NaN]),
            from: "leader",
            part: one(draw, [0, 0, 1, 2, 3, Number.NaN, -1]),
            parts,
            bytes: new Uint8Array(below(draw, 1_000)),
          };
        }),
      valid: [],
      isRefusal: () => false,
      decode: (all: readonly WorkPart[]) => {
        const parts = new Parts(HELD_BYTES);
        for (const each of all) {
          const whole = parts.take(each);
          if (whole !== undefined && whole.parts.length !== each.parts) throw new Broken("a message of other parts");
          if (parts.heldBytes > HELD_BYTES) throw new Broken(`${parts.heldBytes} bytes are held`);
        }
      },
    },
  ];
}
