import { readFileSync } from "node:fs";
import { join } from "node:path";
import { generateRecipient, verifyBundle } from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import t from "tap";
import { Federation } from "../server/federation.js";
import { ConstantTrainer } from "../server/people.js";

t.test("with auditors named, who took part is sealed to them, and they alone can check it", async (t) => {
  const [auditor, second, stranger] = await Promise.all([
    generateRecipient(),
    generateRecipient(),
    generateRecipient(),
  ]);
  const federation = await Federation.open(t, { auditors: [auditor.publicKey, second.publicKey] });
  const people = await Promise.all([1, 2, 3].map((value) => federation.join({ trainer: new ConstantTrainer(value) })));
  await Promise.all([federation.run(), ...people.map((person) => federation.takePart(person))]);
  t.same(await federation.model(), [2, 2, 2], "the round is as any other");
  const withoutKey = await federation.audit();
  t.same(
    withoutKey.findings.map(({ code }) => code),
    ["COHORT_SEALED"],
  );
  const bytes = new Uint8Array(readFileSync(join(federation.folder, "bundle.jsonl")));
  const lines = Buffer.from(bytes).toString().split("\n");
  const blob = lines.find((line) => line.startsWith('{"alg"')) ?? "";
  t.not(blob, "");
  for (const { subject } of people) t.notOk(blob.includes(subject), "the list names nobody");
  for (const recipient of [auditor, second]) {
    const report = await verifyBundle([bytes], { verifier: nodeVerifier(), auditor: recipient });
    t.same(report.findings, []);
    t.equal(report.populations[0]?.participants, 3);
  }
  const other = await verifyBundle([bytes], { verifier: nodeVerifier(), auditor: stranger });
  t.same(
    other.findings.map(({ code }) => code),
    ["COHORT_SEALED"],
  );
});
