import type { Enrollment } from "@fedloop/proto";
import { CoordinatorError } from "../errors.js";
import type { Ledger } from "../ledger/ledger.js";
import type { Registry } from "../registry/registry.js";
import type { ServiceHandlers } from "./service.js";

export interface EnrollmentDependencies {
  readonly ledger: Pick<Ledger, "view">;
  readonly registry: Registry;
  readonly clock: { now(): number };
  readonly log: { readonly origin: string; readonly verifierKey: string };
}

/** fedloop.v1.Enrollment */
export function enrollmentService({
  ledger,
  registry,
  clock,
  log,
}: EnrollmentDependencies): ServiceHandlers<typeof Enrollment, "enroll"> {
  return {
    async enroll(request) {
      const device = await registry.enroll({
        population: request.population,
        publicKey: request.publicKey,
        timeMs: Number(request.timeMs),
        nonce: request.nonce,
        signature: request.signature,
        token: request.token,
      });
      const subjectKey = await registry.subjectKey(device);
      return {
        deviceId: Buffer.from(device.id, "base64url"),
        session: Buffer.from(device.session ?? "", "base64url"),
        sessionExpiresMs: BigInt(device.sessionExpiresMs),
        subject: device.subject,
        log,
        serverTimeMs: BigInt(clock.now()),
        ...(subjectKey === undefined ? {} : { subjectKey }),
      };
    },
    async rotateKey(request, { device }) {
      // A participant's entries are verified by the key that its first one names. A device with another key could
      // neither take part nor withdraw.
      if (ledger.view.actor(device.subject) !== undefined) {
        throw new CoordinatorError(
          "WRONG_STATE",
          "expected a participant without entries in the log, this one's are bound to its key; withdraw, leave and enroll the new key",
        );
      }
      await registry.rotateKey(device, request.newPublicKey, request.newKeySignature);
      return {};
    },
    async leave(_request, { device }) {
      await registry.leave(device);
      return {};
    },
  };
}
