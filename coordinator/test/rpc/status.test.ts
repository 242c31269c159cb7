import { Consent } from "@fedloop/proto";
import { status } from "@grpc/grpc-js";
import t from "tap";
import { CoordinatorError, type CoordinatorErrorCode } from "../../src/errors.js";
import { isTold, toldError } from "../../src/rpc/status.js";
import { Federation } from "../server/federation.js";
import { RawDevice, refusal } from "./raw-device.js";

t.test("what an operator puts right sends callers away for a while, is logged, and not told", async (t) => {
  for (const code of ["STORE_FAILED", "LEDGER_STOPPED", "CLOCK_BEHIND"] as const satisfies CoordinatorErrorCode[]) {
    const cause = new CoordinatorError(code, "a secret of the disk");
    const told = toldError(cause, 7);
    t.match(told, { status: status.UNAVAILABLE, detail: { code: "RETRY", retryAfterMs: 10_000, serverTimeMs: 7n } });
    t.notMatch(told.detail.message, /secret/);
    t.notOk(isTold(cause), "it is a fault, to be logged");
  }
  const fault = toldError(new CoordinatorError("LEDGER_CORRUPT", "a secret"), 7);
  t.match(fault, { status: status.INTERNAL, detail: { code: "INTERNAL", retryAfterMs: 0 } });
});

t.test("a device whose consent cannot be written comes back", async (t) => {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport, { consents: false });
  const entry = await device.consent("given");
  await federation.coordinator.ledger.close();
  await t.rejects(device.call(Consent.method.recordConsent, { entry }), refusal("RETRY"));
  t.match(federation.faults, [{ code: "LEDGER_STOPPED" }]);
});
