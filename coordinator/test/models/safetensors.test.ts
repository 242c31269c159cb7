import fc from "fast-check";
import t from "tap";
import { decodeSafetensors, encodeSafetensors, parameterCount } from "../../src/models/safetensors.js";

function file(header: string | Uint8Array, data: Uint8Array = new Uint8Array(0), length?: bigint): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

const model = {
  tensors: [
    { name: "mean", shape: [] },
    { name: "item.bias", shape: [2] },
    { name: "0", shape: [2, 3] },
  ],
  parameters: Float32Array.from([3.2, 0.5, -0.5, 1, 2, 3, 4, 5, 6]),
  metadata: { trainer: "biased-factorisation", "fedloop.round": "7" },
};

t.test("a model comes back as it was, in the order of its tensors", async (t) => {
  const bytes = encodeSafetensors(model);
  t.same(decodeSafetensors(bytes), model);
  t.equal(parameterCount(model.tensors), 9);
});

t.test(
  "the bytes are those of the format: length, compact header with spaces to a multiple of 8, little-endian floats",
  async (t) => {
    const bytes = encodeSafetensors({
      tensors: [{ name: "w", shape: [2] }],
      parameters: Float32Array.from([1, -2]),
      metadata: {},
    });
    const header = '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  ';
    t.equal(header.length % 8, 0);
    t.same(bytes, file(header, Uint8Array.from([0, 0, 128, 63, 0, 0, 0, 192])));
  },
);

t.test("a file as other writers make it is read: any order of keys, no alignment, spaces", async (t) => {
  const data = new Uint8Array(12);
  new DataView(data.buffer).setFloat32(0, 1, true);
  new DataView(data.buffer).setFloat32(4, 2, true);
  new DataView(data.buffer).setFloat32(8, 3, true);
  const header =
    '{"b": {"shape": [1], "data_offsets": [8, 12], "dtype": "F32"}, "a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"format":"pt"}}';
  for (const spaces of ["", " ", "  ", "   "]) {
    const parsed = decodeSafetensors(file(header + spaces, data));
    t.same(parsed.tensors, [
      { name: "a", shape: [2] },
      { name: "b", shape: [1] },
    ]);
    t.same([...parsed.parameters], [1, 2, 3]);
    t.same(parsed.metadata, { format: "pt" });
  }
});

t.test("reading does not care where in memory the bytes lie", async (t) => {
  const bytes = encodeSafetensors(model);
  for (let shift = 0; shift < 8; shift++) {
    const moved = Buffer.alloc(bytes.length + shift + 3);
    moved.set(bytes, shift);
    t.same(decodeSafetensors(moved.subarray(shift, shift + bytes.length)).parameters, model.parameters);
  }
});

t.test("decode undoes encode for any model", async () => {
  const extents = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
  const name = fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }).filter((text) => !text.startsWith("__"));
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.record({ name, shape: extents }), { selector: (tensor) => tensor.name, maxLength: 8 }),
      fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }),
      (tensors, metadata) => {
        const parameters = Float32Array.from({ length: parameterCount(tensors) }, (_, i) => i / 3 - 7);
        const decoded = decodeSafetensors(encodeSafetensors({ tensors, parameters, metadata }));
        t.same(decoded.parameters, parameters);
        t.same(new Map(Object.entries(decoded.metadata)), new Map(Object.entries(metadata)));
        t.same(
          decoded.tensors.filter(({ shape }) => !shape.includes(0)),
          tensors.filter(({ shape }) => !shape.includes(0)),
        );
        t.equal(decoded.tensors.length, tensors.length);
      },
    ),
    { seed: 20, numRuns: 200 },
  );
});

const w = '"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
const HOSTILE: readonly (readonly [string, Uint8Array])[] = [
  ["no bytes", new Uint8Array(0)],
  ["seven bytes", new Uint8Array(7)],
  ["a header longer than the file", file("{}", new Uint8Array(0), 3n)],
  ["a header of 2^64-1 bytes", file("{}", new Uint8Array(0), 2n ** 64n - 1n)],
  ["a header above the limit", file(`{}${" ".repeat(1 << 20)}`)],
  ["a header that is not UTF-8", file(Uint8Array.from([0x7b, 0xff, 0x7d]))],
  ["a byte-order mark", file("\ufeff{}")],
  ["spaces before the header", file(" {}")],
  ["no JSON", file("{nope}")],
  ["an array", file("[]")],
  ["deep nesting", file(`{"w":${"[".repeat(20_000)}${"]".repeat(20_000)}}`)],
  ["bytes after the data", file("{}", new Uint8Array(4))],
  ["too little data", file(`{${w}}`, new Uint8Array(3))],
  ["too much data", file(`{${w}}`, new Uint8Array(8))],
  ["a name twice", file(`{${w},${w}}`, new Uint8Array(4))],
  ["a name twice, once escaped", file(`{${w},${w.replace('"w"', '"\\u0077"')}}`, new Uint8Array(4))],
  [
    "a key of a tensor twice",
    file(`{"w":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}`, new Uint8Array(4)),
  ],
  [
    "an unknown key of a tensor",
    file(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"scale":1}}`, new Uint8Array(4)),
  ],
  ["another dtype", file(`{"w":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`, new Uint8Array(4))],
  ["a negative extent", file(`{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, new Uint8Array(4))],
  ["half an extent", file(`{"w":{"dtype":"F32","shape":[0.5],"data_offsets":[0,4]}}`, new Uint8Array(4))],
  [
    "nine dimensions",
    file(`{"w":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}`, new Uint8Array(4)),
  ],
  [
    "a shape beyond 2^53",
    file(`{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`, new Uint8Array(4)),
  ],
  [
    "offsets that end before they start",
    file(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, new Uint8Array(4)),
  ],
  ["a gap", file(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, new Uint8Array(8))],
  ["an overlap", file(`{${w},"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, new Uint8Array(4))],
  ["metadata that is no object", file(`{"__metadata__":"x"}`)],
  ["metadata with a number", file(`{"__metadata__":{"a":1}}`)],
  ["a name that is empty", file(`{${w.replace('"w"', '""')}}`, new Uint8Array(4))],
  ["a name that is too long", file(`{${w.replace("w", "w".repeat(257))}}`, new Uint8Array(4))],
  ["a NaN", file(`{${w}}`, Uint8Array.from([0, 0, 192, 127]))],
  ["an infinity", file(`{${w}}`, Uint8Array.from([0, 0, 128, 255]))],
];

t.test("hostile files are refused with BAD_TENSORS", async (t) => {
  for (const [name, bytes] of HOSTILE) {
    t.throws(() => decodeSafetensors(bytes), { name: "CoordinatorError", code: "BAD_TENSORS" }, name);
  }
});

t.test("more tensors than the reader wants are refused", async (t) => {
  const tensors = Array.from({ length: 4 }, (_, i) => ({ name: `w${i}`, shape: [0] }));
  const bytes = encodeSafetensors({ tensors, parameters: new Float32Array(0), metadata: {} });
  t.throws(() => decodeSafetensors(bytes, { maxHeaderBytes: 1 << 20, maxTensors: 3 }), { code: "BAD_TENSORS" });
});

t.test("a name like __proto__ names nothing but itself", async (t) => {
  const parsed = decodeSafetensors(
    file('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', new Uint8Array(4)),
  );
  t.same(parsed.tensors, [{ name: "__proto__", shape: [1] }]);
  t.same(parsed.metadata, {});
});

t.test("what cannot be a model is not written", async (t) => {
  const scalar = { tensors: [{ name: "w", shape: [] }], parameters: Float32Array.of(1), metadata: {} };
  t.throws(() => encodeSafetensors({ ...scalar, parameters: Float32Array.of(1, 2) }), { code: "BAD_TENSORS" });
  t.throws(() => encodeSafetensors({ ...scalar, parameters: Float32Array.of(Number.NaN) }), { code: "BAD_TENSORS" });
  t.throws(() => encodeSafetensors({ ...scalar, tensors: [{ name: "", shape: [] }] }), { code: "BAD_TENSORS" });
  t.throws(() => encodeSafetensors({ ...scalar, tensors: [{ name: "__metadata__", shape: [] }] }), {
    code: "BAD_TENSORS",
  });
  const twice = [
    { name: "w", shape: [] },
    { name: "w", shape: [] },
  ];
  t.throws(() => encodeSafetensors({ ...scalar, tensors: twice, parameters: Float32Array.of(1, 2) }), {
    code: "BAD_TENSORS",
  });
});
