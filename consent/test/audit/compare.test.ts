import t from "tap";
import { compareBundles, verifyForkEvidence } from "../../src/index.js";
import { nodeVerifier } from "../../src/index.node.js";
import { LogAuthor, policyBody, testDevice } from "../author.js";
import { bundleOf, completeLog } from "../complete-log.js";
import { rejects } from "../refusals.js";

const verifier = nodeVerifier();

async function logOf(numbers: readonly number[]): Promise<Uint8Array> {
  const author = new LogAuthor();
  await author.write({ type: "policy.publish", body: policyBody() });
  for (const number of numbers) await author.consent(testDevice(number), "given");
  return bundleOf(author);
}

t.test("a log that grew is consistent with itself", async (t) => {
  const [older, newer] = [await logOf([1, 2]), await logOf([1, 2, 3, 4])];
  t.match(await compareBundles([older], [newer], { verifier }), {
    consistent: true,
    oldSize: 3,
    newSize: 5,
    evidence: null,
  });
  t.match(await compareBundles([newer], [newer], { verifier }), { consistent: true });
});

t.test("two histories are told apart, and the evidence convinces without the bundles", async (t) => {
  for (const [older, newer, index] of [
    [[1, 2, 3], [1, 9, 3, 4], 2],
    [[1, 2], [1, 3], 2],
    [[5], [6, 7, 8, 9, 10], 1],
  ] as const) {
    const result = await compareBundles([await logOf(older)], [await logOf(newer)], { verifier });
    t.match(result, { consistent: false, forkIndex: index });
    const proven = await verifyForkEvidence(result.evidence ?? "", verifier);
    t.match(proven, { oldSize: older.length + 1, newSize: newer.length + 1 });
  }
});

t.test("bundles that cannot be compared are refused", async (t) => {
  const [small, large] = [await logOf([1]), await logOf([1, 2])];
  await rejects(t, "BAD_BUNDLE", "the larger first", () => compareBundles([large], [small], { verifier }));
  await rejects(t, "BAD_BUNDLE", "nothing", () => compareBundles([], [small], { verifier }));
  const changed = small.slice();
  changed[900] = (changed[900] ?? 0) ^ 1;
  await rejects(t, "BAD_BUNDLE", "a changed entry", () => compareBundles([changed], [large], { verifier }));
  t.ok(await compareBundles([small], [await bundleOf(await completeLog())], { verifier }));
});
