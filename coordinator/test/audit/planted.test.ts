// What LEDGER auditors look for, planted one by one into a bundle of a real federation by someone who holds every key. The
// codes that no row of the audit stands for are planted in made-up logs by @fedloop/consent's own tests.
import { type FindingCode, type Trust, verifyBundle } from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import t from "tap";
import { HOUR, plantedFaults } from "./faults.js";
import { RealLog } from "./real-bundle.js";

t.setTimeout(240_000);
const real = await RealLog.run(t);

async function codes(bytes: Uint8Array, trust: Trust = {}): Promise<FindingCode[]> {
  const { findings } = await verifyBundle([bytes], { verifier: nodeVerifier(), trust });
  return [...new Set(findings.map(({ code }) => code))];
}

t.test("the real bundle holds, and written again without a change it holds too", async (t) => {
  t.same(await codes(real.bytes), []);
  t.same(await codes(await real.forged(() => undefined)), []);
  t.same(await codes(real.bytes, { vkey: real.vkey, checkpoint: real.checkpoint, maximumSilenceMs: HOUR }), []);
});

for (const { row, code, also = [], change, trust } of plantedFaults(real)) {
  t.test(`${row}: ${code}`, async (t) => {
    const found = await codes(await real.forged(change), trust);
    t.ok(found.includes(code), `found ${found.join(", ") || "nothing"}`);
    t.same(
      found.filter((other) => other !== code && !also.includes(other)),
      [],
      "and nothing that the fault does not bring with it",
    );
  });
}
