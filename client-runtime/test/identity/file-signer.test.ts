import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nodeVerifier } from "@fedloop/consent/node";
import t from "tap";
import { importSealingKey } from "../../src/index.js";
import { fileSigner } from "../../src/index.node.js";

const message = new TextEncoder().encode("message");
const verifier = nodeVerifier();

t.test("a key is made once, for its owner only, and signs as the same participant from then on", async (t) => {
  const path = join(t.testdir(), "device", "key");
  const [first, twin] = await Promise.all([fileSigner(path), fileSigner(path)]);
  t.same(twin.publicKey, first.publicKey, "also when two make it at once");
  const again = await fileSigner(path);
  t.same(again.publicKey, first.publicKey);
  t.ok(verifier.verify(first.publicKey, message, await again.sign(message)));
  t.equal((await stat(path)).mode & 0o777, 0o600);
});

t.test("a sealed key opens under its own sealing key alone", async (t) => {
  const path = join(t.testdir(), "key");
  const sealingKey = await importSealingKey(new Uint8Array(32).fill(1));
  const signer = await fileSigner(path, { sealingKey });
  t.same((await fileSigner(path, { sealingKey })).publicKey, signer.publicKey);
  t.not((await readFile(path)).length, 32, "the secret does not lie there as it is");
  const other = await importSealingKey(new Uint8Array(32).fill(2));
  await t.rejects(fileSigner(path, { sealingKey: other }), { code: "STORE_CORRUPT" });
  await t.rejects(fileSigner(path), { code: "STORE_CORRUPT" });
});

t.test("a file that holds no key, or cannot be written, is an error with a code", async (t) => {
  const folder = t.testdir({ file: "x" });
  const path = join(folder, "key");
  await writeFile(path, "too short");
  await t.rejects(fileSigner(path), { code: "STORE_CORRUPT" });
  await t.rejects(fileSigner(join(folder, "file", "key")), { code: "STORE_FAILED" });
});
