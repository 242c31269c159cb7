import { generateNodeSigner } from "@fedloop/consent/node";
import t from "tap";
import { openAccessStore } from "../../src/access/access-store.js";
import { Invitations } from "../../src/access/invitations.js";
import { manualClock } from "../ledger/fixture.js";
import { enrolment, start as startRegistry } from "../registry/fixture.js";

t.test("a device enrolls by an invitation; it comes back without, and after leaving needs another", async (t) => {
  const store = await openAccessStore(":memory:");
  t.teardown(() => store.close());
  const invited = manualClock();
  const invitations = new Invitations(store, invited);
  const { registry, clock } = await startRegistry(t, { type: "token", tokens: [], invitations });
  invited.ms = clock.ms;
  const { invitation } = await invitations.create({ name: "class of 2026", population: null, uses: 1, lifeMs: 1_000 });
  await t.rejects(registry.enroll(enrolment(clock)), { code: "TOKEN_REQUIRED" });
  const signer = generateNodeSigner();
  const device = await registry.enroll(enrolment(clock, signer, { token: invitation }));
  await t.rejects(registry.enroll(enrolment(clock, undefined, { token: invitation })), { code: "TOKEN_USED" });
  clock.ms += 1;
  t.match(await registry.enroll(enrolment(clock, signer)), { id: device.id });
  await registry.leave(device);
  clock.ms += 1;
  await t.rejects(registry.enroll(enrolment(clock, signer)), { code: "TOKEN_REQUIRED" });
});
