import fc from "fast-check";
import t from "tap";
import * as z from "zod";
import {
  decodeBase64,
  emptyRoot,
  encodeUtf8,
  leafHash,
  MerkleTree,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
} from "../../src/index.js";
import { hex } from "../hex.js";
import { refuses } from "../refusals.js";
import { vectors } from "../vectors.js";

// The eight leaves and the roots over the first 1 to 8 of them that RFC 6962 implementations publish as a test
// (google/certificate-transparency, merkle_tree_test).
const leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"].map(
  hex,
);
const roots = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
].map(hex);

function treeOf(entries: readonly Uint8Array[]): MerkleTree {
  const tree = new MerkleTree();
  for (const entry of entries) tree.append(leafHash(entry));
  return tree;
}

function numbered(count: number): MerkleTree {
  const tree = new MerkleTree();
  for (let index = 0; index < count; index++) tree.append(leafHash(encodeUtf8(String(index))));
  return tree;
}

/** RFC 6962 §2.1 word by word. */
function definedRoot(hashes: readonly Uint8Array[]): Uint8Array {
  const [only] = hashes;
  if (only === undefined) return emptyRoot();
  if (hashes.length === 1) return only;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return nodeHash(definedRoot(hashes.slice(0, split)), definedRoot(hashes.slice(split)));
}

t.test("roots are those of RFC 6962 implementations, now and for every earlier size", async (t) => {
  t.strictSame(emptyRoot(), hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
  t.strictSame(new MerkleTree().root(), emptyRoot());
  const tree = treeOf(leaves);
  for (const [at, root] of roots.entries()) {
    t.strictSame(treeOf(leaves.slice(0, at + 1)).root(), root);
    t.strictSame(tree.root(at + 1), root);
  }
});

t.test("every inclusion and consistency proof of every size up to 70 verifies, and no other claim does", async (t) => {
  const most = 70;
  const tree = numbered(most);
  let checked = 0;
  for (let size = 1; size <= most; size++) {
    const root = tree.root(size);
    for (let index = 0; index < size; index++) {
      const path = tree.inclusionProof(index, size);
      const leaf = tree.leafHashAt(index);
      const claim = { leafHash: leaf, index, size, path, root };
      if (!verifyInclusion(claim)) t.fail(`inclusion of ${index} in ${size}`);
      if (verifyInclusion({ ...claim, index: index + 1 })) t.fail(`inclusion of ${index} in ${size}, index moved`);
      if (verifyInclusion({ ...claim, path: [...path, root] })) t.fail(`inclusion of ${index} in ${size}, too long`);
      if (path.length > 0 && verifyInclusion({ ...claim, path: path.slice(1) })) t.fail(`${index}/${size} too short`);
      if (path.length > 1 && verifyInclusion({ ...claim, path: path.toReversed() }))
        t.fail(`${index}/${size} reversed`);
      checked++;
    }
    for (let old = 1; old <= size; old++) {
      const path = tree.consistencyProof(old, size);
      const claim = { oldSize: old, oldRoot: tree.root(old), newSize: size, newRoot: root, path };
      if (!verifyConsistency(claim)) t.fail(`consistency of ${old} with ${size}`);
      if (verifyConsistency({ ...claim, path: [...path, root] })) t.fail(`consistency of ${old}, ${size}, too long`);
      if (path.length > 0 && verifyConsistency({ ...claim, path: path.slice(0, -1) }))
        t.fail(`${old}/${size} too short`);
      if (old < size && verifyConsistency({ ...claim, oldRoot: root })) t.fail(`${old}/${size} with a wrong old root`);
      checked++;
    }
  }
  t.equal(checked, most * (most + 1));
});

t.test("sizes around powers of two, and large ones, agree with the definition", async (t) => {
  const tree = numbered(65_537);
  for (const size of [255, 256, 257, 1_023, 1_024, 1_025]) {
    const hashes = Array.from({ length: size }, (_, index) => tree.leafHashAt(index));
    t.strictSame(tree.root(size), definedRoot(hashes), String(size));
  }
  for (const size of [65_535, 65_536, 65_537]) {
    const root = tree.root(size);
    for (const index of [0, 1, 255, 32_767, 32_768, size - 2, size - 1])
      t.equal(
        verifyInclusion({
          leafHash: tree.leafHashAt(index),
          index,
          size,
          path: tree.inclusionProof(index, size),
          root,
        }),
        true,
      );
    for (const oldSize of [1, 256, 32_768, 65_535]) {
      const path = tree.consistencyProof(oldSize, size);
      t.equal(verifyConsistency({ oldSize, oldRoot: tree.root(oldSize), newSize: size, newRoot: root, path }), true);
    }
  }
});

t.test("one flipped bit in a proof, leaf or root is noticed", async () => {
  const tree = numbered(100);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.nat(), fc.nat(), fc.nat(), (size, at, where, bit) => {
      const index = at % size;
      const path = tree.inclusionProof(index, size);
      const parts = [tree.leafHashAt(index), tree.root(size), ...path];
      const part = parts[where % parts.length];
      if (part === undefined) return false;
      part[bit % 32] = (part[bit % 32] ?? 0) ^ (1 << (bit % 8));
      const [leaf, root, ...siblings] = parts;
      if (leaf === undefined || root === undefined) return false;
      return !verifyInclusion({ leafHash: leaf, index, size, path: siblings, root });
    }),
    { seed: 4, numRuns: 500 },
  );
});

t.test("indices and sizes outside the log are refused", async (t) => {
  const tree = numbered(5);
  for (const bad of [-1, 6, 1.5, Number.NaN, 2 ** 53]) {
    refuses(t, "OUT_OF_RANGE", `root of ${bad}`, () => tree.root(bad));
    refuses(t, "OUT_OF_RANGE", `inclusion of ${bad}`, () => tree.inclusionProof(bad));
    refuses(t, "OUT_OF_RANGE", `consistency from ${bad}`, () => tree.consistencyProof(bad));
    refuses(t, "OUT_OF_RANGE", `leaf ${bad}`, () => tree.leafHashAt(bad));
  }
  refuses(t, "OUT_OF_RANGE", "inclusion past a size", () => tree.inclusionProof(3, 3));
  refuses(t, "OUT_OF_RANGE", "consistency backwards", () => tree.consistencyProof(4, 3));
  refuses(t, "OUT_OF_RANGE", "inclusion in an empty log", () => new MerkleTree().inclusionProof(0));
  refuses(t, "OUT_OF_RANGE", "a short hash", () => tree.append(new Uint8Array(31)));
  refuses(t, "OUT_OF_RANGE", "a subtree that is not complete", () => tree.completeSubtree(2, 1));
  t.strictSame(tree.completeSubtree(2, 0), tree.root(4));
  t.strictSame(tree.rangeHash(0, 5), tree.root());
  t.strictSame(tree.rangeHash(2, 4), nodeHash(tree.leafHashAt(2), tree.leafHashAt(3)));
  for (const [start, end] of [
    [1, 3],
    [2, 2],
    [3, 2],
    [4, 6],
    [-1, 1],
  ] as const)
    refuses(t, "OUT_OF_RANGE", `leaves ${start} to ${end}`, () => tree.rangeHash(start, end));
  t.strictSame(tree.consistencyProof(0), []);
  t.strictSame(tree.consistencyProof(5), []);
});

t.test("claims about impossible sizes are false", async (t) => {
  const root = numbered(4).root();
  for (const size of [-1, 0, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.equal(verifyInclusion({ leafHash: root, index: 0, size, path: [], root }), false);
    t.equal(verifyConsistency({ oldSize: size, oldRoot: root, newSize: 4, newRoot: root, path: [] }), false);
  }
  t.equal(verifyConsistency({ oldSize: 5, oldRoot: root, newSize: 4, newRoot: root, path: [] }), false);
  t.equal(verifyConsistency({ oldSize: 4, oldRoot: root, newSize: 4, newRoot: root, path: [] }), true);
});

const proofCases = z.object({
  cases: z.array(
    z.object({
      desc: z.string(),
      file: z.string(),
      wantErr: z.boolean(),
      proof: z.nullable(z.array(z.string())),
      leafIdx: z.optional(z.number()),
      treeSize: z.optional(z.number()),
      leafHash: z.optional(z.nullable(z.string())),
      root: z.optional(z.nullable(z.string())),
      size1: z.optional(z.number()),
      size2: z.optional(z.number()),
      root1: z.optional(z.nullable(z.string())),
      root2: z.optional(z.nullable(z.string())),
    }),
  ),
});

t.test("the published inclusion and consistency vectors are decided as published", async (t) => {
  const bytes = (text: string | null | undefined) => decodeBase64(text ?? "");
  for (const name of ["merkle-inclusion.json", "merkle-consistency.json"]) {
    const file = vectors(name);
    if (file === undefined) return t.comment("the folder of reference vectors is absent");
    const { cases } = proofCases.parse(file);
    t.ok(cases.length >= 98);
    for (const vector of cases) {
      const path = (vector.proof ?? []).map(bytes);
      const holds =
        name === "merkle-inclusion.json"
          ? verifyInclusion({
              leafHash: bytes(vector.leafHash),
              index: vector.leafIdx ?? -1,
              size: vector.treeSize ?? -1,
              path,
              root: bytes(vector.root),
            })
          : verifyConsistency({
              oldSize: vector.size1 ?? -1,
              oldRoot: bytes(vector.root1),
              newSize: vector.size2 ?? -1,
              newRoot: bytes(vector.root2),
              path,
            });
      t.equal(holds, !vector.wantErr, vector.file);
    }
  }
});
