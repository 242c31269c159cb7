import t from "tap";
import {
  encodeUtf8,
  forkRanges,
  formatForkEvidence,
  formatStoredProof,
  leafHash,
  MerkleTree,
  noteSigner,
  parseStoredProof,
  signCheckpoint,
  verifyForkEvidence,
  verifyReceipt,
} from "../../src/index.js";
import { generateNodeSigner, nodeVerifier } from "../../src/index.node.js";
import { refuses, rejects } from "../refusals.js";

const verifier = nodeVerifier();
const origin = "log.example/2026";
const signer = noteSigner(origin, generateNodeSigner());
const trust = { vkey: signer.vkey };

function treeOf(count: number, forkAt = count): MerkleTree {
  const tree = new MerkleTree();
  for (let index = 0; index < count; index++)
    tree.append(leafHash(encodeUtf8(`${index < forkAt ? "entry" : "forged"} ${index}`)));
  return tree;
}

function checkpointOf(tree: MerkleTree, size = tree.size): Promise<string> {
  return signCheckpoint({ origin, size, root: tree.root(size) }, signer);
}

t.test("a receipt verifies offline and gives back the entry", async (t) => {
  const tree = treeOf(20);
  const checkpoint = await checkpointOf(tree);
  const extra = encodeUtf8("entry 7");
  const receipt = formatStoredProof({ extra, index: 7, path: tree.inclusionProof(7), checkpoint });
  t.equal(receipt.split("\n")[0], "c2sp.org/tlog-proof@v1");
  const { entry, index, checkpoint: opened } = await verifyReceipt(receipt, trust, verifier);
  t.strictSame([entry, index, opened.size], [extra, 7, 20]);
  t.strictSame(parseStoredProof(receipt), { extra, index: 7, path: tree.inclusionProof(7), checkpoint });

  const moved = formatStoredProof({ extra, index: 8, path: tree.inclusionProof(7), checkpoint });
  await rejects(t, "BAD_PROOF", "another index", () => verifyReceipt(moved, trust, verifier));
  const other = formatStoredProof({ extra: encodeUtf8("entry 8"), index: 7, path: tree.inclusionProof(7), checkpoint });
  await rejects(t, "BAD_PROOF", "another entry", () => verifyReceipt(other, trust, verifier));
  const bare = formatStoredProof({ extra: null, index: 7, path: tree.inclusionProof(7), checkpoint });
  await rejects(t, "BAD_PROOF", "no entry", () => verifyReceipt(bare, trust, verifier));
  await rejects(t, "BAD_SIGNATURE", "another size", () =>
    verifyReceipt(receipt.replace("\n20\n", "\n21\n"), trust, verifier),
  );
});

t.test("malformed proof files are refused", async (t) => {
  for (const text of [
    "",
    "c2sp.org/tlog-proof@v1\n",
    "c2sp.org/tlog-proof@v2\nindex 1\n\nx",
    "c2sp.org/tlog-proof@v1\n\nx",
    "c2sp.org/tlog-proof@v1\nindex 01\n\nx",
    "c2sp.org/tlog-proof@v1\nindex -1\n\nx",
    "c2sp.org/tlog-proof@v1\nindex 18446744073709551616\n\nx",
    "c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\nx",
    "c2sp.org/tlog-proof@v1\nindex 1\nextra AAAA\n\nx",
  ])
    t.throws(() => parseStoredProof(text), { name: "LedgerError" }, JSON.stringify(text));
  refuses(t, "BAD_ENCODING", "extra data of no base64", () =>
    parseStoredProof("c2sp.org/tlog-proof@v1\nextra A\nindex 1\n\nx"),
  );
});

t.test("a fork is proven for every pair of sizes, and an honest log is never accused", async (t) => {
  for (const [oldSize, newSize] of [
    [1, 2],
    [4, 4],
    [4, 8],
    [4, 9],
    [5, 9],
    [7, 20],
    [16, 17],
    [13, 13],
  ] as const) {
    const honest = treeOf(newSize);
    const forked = treeOf(oldSize, oldSize - 1);
    const nodes = forkRanges(oldSize, newSize).map(([start, end]) => honest.rangeHash(start, end));
    const newer = await checkpointOf(honest);
    const evidence = formatForkEvidence(signer.vkey, await checkpointOf(forked), newer, nodes);
    t.strictSame(await verifyForkEvidence(evidence, verifier), { origin, oldSize, newSize }, `${oldSize}, ${newSize}`);
    const accusation = formatForkEvidence(signer.vkey, await checkpointOf(honest, oldSize), newer, nodes);
    await rejects(t, "BAD_PROOF", `honest ${oldSize}, ${newSize}`, () => verifyForkEvidence(accusation, verifier));
    if (nodes.length === 0) continue;
    const wrong = nodes.with(0, new Uint8Array(32));
    const invented = formatForkEvidence(signer.vkey, await checkpointOf(honest, oldSize), newer, wrong);
    await rejects(t, "BAD_PROOF", `invented nodes ${oldSize}, ${newSize}`, () =>
      verifyForkEvidence(invented, verifier),
    );
  }
});

t.test("evidence that is malformed or not signed by the log is refused", async (t) => {
  const [small, large] = [await checkpointOf(treeOf(3)), await checkpointOf(treeOf(5))];
  await rejects(t, "BAD_PROOF", "not JSON", () => verifyForkEvidence("{", verifier));
  await rejects(t, "BAD_PROOF", "another object", () => verifyForkEvidence("{}", verifier));
  await rejects(t, "BAD_PROOF", "the larger first", () =>
    verifyForkEvidence(formatForkEvidence(signer.vkey, large, small, []), verifier),
  );
  const stranger = noteSigner(origin, generateNodeSigner());
  await rejects(t, "BAD_NOTE", "another key", () =>
    verifyForkEvidence(formatForkEvidence(stranger.vkey, small, large, []), verifier),
  );
});
