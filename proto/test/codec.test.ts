import { isDeepStrictEqual } from "node:util";
import {
  create,
  type DescField,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import * as fc from "fast-check";
import t from "tap";
import {
  Artifacts,
  CheckInResponseSchema,
  Consent,
  decodeMessage,
  Enrollment,
  ErrorDetailSchema,
  encodeMessage,
  messageOf,
  OfferSchema,
  Rounds,
  Transparency,
  WaitSchema,
} from "../src/index.js";

const SERVICES = [Artifacts, Consent, Enrollment, Rounds, Transparency];
const MESSAGES: readonly DescMessage[] = [
  ErrorDetailSchema,
  ...SERVICES.flatMap(({ methods }) => methods.flatMap(({ input, output }) => [input, output])),
];

function anyValue(field: DescField): fc.Arbitrary<unknown> {
  if (field.message !== undefined) return initOf(field.message);
  if (field.enum !== undefined) return fc.integer({ min: -2, max: 20 });
  switch (field.scalar) {
    case ScalarType.STRING:
      return fc.string({ unit: "grapheme" });
    case ScalarType.BYTES:
      return fc.uint8Array();
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.UINT32:
      return fc.nat({ max: 2 ** 31 - 1 });
    default:
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  }
}

/** Any init of a message: each field set or left out. */
function initOf(schema: DescMessage): fc.Arbitrary<object> {
  const members = schema.members.map((member): [string, fc.Arbitrary<unknown>] => {
    if (member.kind === "oneof") {
      const cases = member.fields.map((field) => anyValue(field).map((value) => ({ case: field.localName, value })));
      return [member.localName, fc.oneof(fc.constant({ case: undefined }), ...cases)];
    }
    return [
      member.localName,
      member.fieldKind === "list" ? fc.array(anyValue(member), { maxLength: 4 }) : anyValue(member),
    ];
  });
  return fc.record(Object.fromEntries(members), { requiredKeys: [] });
}

function outcome(read: () => unknown): { readonly message: unknown } | "refused" {
  try {
    return { message: read() };
  } catch {
    return "refused";
  }
}

t.test("messages, their bytes and what is read from them are those of protobuf-es", async () => {
  for (const schema of MESSAGES) {
    fc.assert(
      fc.property(initOf(schema), (init) => {
        const theirs = create(schema, init as MessageInitShape<typeof schema>);
        const ours = messageOf(schema, init as MessageInitShape<typeof schema>);
        const bytes = toBinary(schema, theirs);
        return (
          isDeepStrictEqual(ours, theirs) &&
          isDeepStrictEqual(encodeMessage(schema, ours), bytes) &&
          isDeepStrictEqual(decodeMessage(schema, bytes), fromBinary(schema, bytes))
        );
      }),
      { numRuns: 15, seed: 20260 },
    );
  }
});

t.test(
  "bytes that were cut or changed are refused where protobuf-es refuses them, and end in an error or a message",
  async (t) => {
    const offer = {
      round: 7n,
      plan: { entry: new Uint8Array(40).fill(3), index: 5n, checkpoint: "text" },
      consentIndex: 9n,
    };
    const bytes = toBinary(OfferSchema, create(OfferSchema, offer));
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      const theirs = outcome(() => fromBinary(OfferSchema, cut));
      t.equal(outcome(() => decodeMessage(OfferSchema, cut)) === "refused", theirs === "refused", `cut to ${length}`);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.constantFrom(...MESSAGES), (noise, schema) => {
        const read = outcome(() => decodeMessage(schema, noise));
        return read === "refused" || typeof read.message === "object";
      }),
      { numRuns: 1_000, seed: 20261 },
    );
  },
);

t.test("unknown fields and fields of another type are skipped, repeated singular messages merged", async (t) => {
  const wait = (fields: MessageInitShape<typeof WaitSchema>) => toBinary(WaitSchema, create(WaitSchema, fields));
  const bytes = new BinaryWriter()
    .tag(99, WireType.LengthDelimited)
    .bytes(Uint8Array.of(1, 2, 3))
    .tag(1, WireType.LengthDelimited)
    .bytes(wait({ returnAfterMs: 5 }))
    .tag(1, WireType.Bit32)
    .fixed32(8)
    .tag(1, WireType.LengthDelimited)
    .bytes(wait({ returnBeforeMs: 6 }))
    .finish();
  const { outcome } = decodeMessage(CheckInResponseSchema, bytes);
  t.match(outcome, { case: "wait", value: { returnAfterMs: 5, returnBeforeMs: 6 } });
});
