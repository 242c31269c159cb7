import fc from "fast-check";
import t from "tap";
import { readModel } from "../../src/index.js";

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A file as the format's description says, made here by hand. */
function fileOf(header: string | object, data: Uint8Array, headerBytes?: number): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes ?? text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

function headerOf(tensors: readonly Tensor[]): Record<string, object> {
  let offset = 0;
  return Object.fromEntries(
    tensors.map(({ name, shape }) => {
      const start = offset;
      offset += shape.reduce((product, extent) => product * extent, 4);
      return [name, { dtype: "F32", shape, data_offsets: [start, offset] }];
    }),
  );
}

const floats = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

t.test("tensors come flat and named, in the order in which they lie", async (t) => {
  const tensors = [
    { name: "kernel", shape: [2, 2] },
    { name: "bias", shape: [2] },
    { name: "scale", shape: [] },
  ];
  const { manifest, parameters } = readModel(fileOf(headerOf(tensors), floats([1, 2, 3, 4, 5, 6, 7])), 7);
  t.same(manifest, tensors);
  t.same(parameters, Float32Array.of(1, 2, 3, 4, 5, 6, 7));
});

t.test("metadata is passed over, aligned or not", async (t) => {
  const values = [1.5, -2.25];
  fc.assert(
    fc.property(fc.string({ maxLength: 12, unit: "grapheme-ascii" }), (note) => {
      const header = { __metadata__: { note }, ...headerOf([{ name: "a", shape: [2] }]) };
      const { parameters } = readModel(fileOf(header, floats(values)), 2);
      return parameters[0] === 1.5 && parameters[1] === -2.25;
    }),
    { seed: 21, numRuns: 20 },
  );
  t.pass();
});

const good = headerOf([{ name: "a", shape: [2] }]);
const two = floats([1, 2]);
const hostile: readonly (readonly [string, Uint8Array])[] = [
  ["no bytes", new Uint8Array(0)],
  ["a header longer than the file", fileOf(good, two, 1_000)],
  ["a header of 2^62 bytes", fileOf(good, two, 2 ** 62)],
  ["a header that is not JSON", fileOf("{", two)],
  ["a header that is not UTF-8", fileOf(good, two).fill(0xff, 8, 12)],
  ["a list in the place of the header", fileOf([], two)],
  ["half precision", fileOf({ a: { dtype: "F16", shape: [4], data_offsets: [0, 8] } }, two)],
  ["a field too many", fileOf({ a: { dtype: "F32", shape: [2], data_offsets: [0, 8], note: "" } }, two)],
  ["a negative extent", fileOf({ a: { dtype: "F32", shape: [-2], data_offsets: [0, 8] } }, two)],
  ["a shape of another size than its bytes", fileOf({ a: { dtype: "F32", shape: [3], data_offsets: [0, 8] } }, two)],
  ["a gap", fileOf({ a: { dtype: "F32", shape: [1], data_offsets: [4, 8] } }, two)],
  [
    "an overlap",
    fileOf(
      {
        a: { dtype: "F32", shape: [1], data_offsets: [0, 4] },
        b: { dtype: "F32", shape: [1], data_offsets: [0, 4] },
      },
      two,
    ),
  ],
  ["bytes that belong to no tensor", fileOf(good, floats([1, 2, 3]))],
  ["fewer bytes than its tensors", fileOf(good, floats([1]))],
  ["a tensor without a name", fileOf(headerOf([{ name: "", shape: [2] }]), two)],
  ["another number of parameters than the plan's", fileOf(headerOf([{ name: "a", shape: [1] }]), floats([1]))],
];

for (const [name, bytes] of hostile) {
  t.test(`${name}: refused`, async (t) => {
    t.throws(() => readModel(bytes, 2), { code: "BAD_MODEL" });
  });
}
