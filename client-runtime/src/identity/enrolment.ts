// How a device comes to be known: by its key, or again by what its store remembers.
import { decodeBase64Url, encodeBase64Url } from "@fedloop/consent";
import { type RandomSource, systemRandom } from "@fedloop/privacy";
import type { EnrollResponse } from "@fedloop/proto";
import { ClientError } from "../errors.js";
import type { PinnedLog } from "../guard/receipt.js";
import { portableSha256 } from "../hashing/sha256.js";
import type { JoinOptions } from "../participation/join-options.js";
import { type Clock, systemClock } from "../scheduling/clock.js";
import { CoordinatorClient } from "../transport/coordinator-client.js";
import { defaultRetryPolicy } from "../transport/retry.js";
import { type DeviceState, loadState, StateKeeper } from "./device-state.js";

const TIMEOUT_MS = 30_000;

/** A device that the coordinator knows, and what it works with. */
export interface EnrolledDevice {
  readonly client: CoordinatorClient;
  readonly keeper: StateKeeper;
  readonly clock: Clock;
  readonly random: RandomSource;
}

/**
 * Enrolls, or resumes what the store holds; the session is opened again when it has expired.
 *
 * @throws ClientError BAD_OPTION, LOG_MISMATCH, STORE_CORRUPT, STORE_FAILED, and those of the call
 */
export async function enrolledDevice(options: JoinOptions, signal: AbortSignal | undefined): Promise<EnrolledDevice> {
  const { store, population, signer } = options;
  const clock = options.clock ?? systemClock();
  const random = options.random ?? systemRandom();
  const publicKey = encodeBase64Url(signer.publicKey);
  const known = await loadState(store, population);
  if (known !== undefined && known.publicKey !== publicKey) {
    throw new ClientError(
      "BAD_OPTION",
      "expected the signer of the participant in this store, came another; use a store of its own",
    );
  }
  const pinned = options.trust?.log;
  if (known !== undefined && pinned !== undefined) requireLog(pinned, known.log);
  let keeper = known === undefined ? undefined : new StateKeeper(store, known);
  const client = new CoordinatorClient({
    transport: options.transport,
    population,
    signer,
    token: options.token ?? "",
    sha256: options.sha256 ?? portableSha256,
    clock,
    random,
    retry: { ...defaultRetryPolicy, ...options.retry },
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    session: known?.session,
    onEnrolled: async (answer) => {
      keeper ??= new StateKeeper(store, firstState(options, publicKey, answer));
      requireLog(pinned ?? keeper.current.log, logOf(answer));
      if (answer.subject !== keeper.current.subject) {
        throw new ClientError("LOG_MISMATCH", "expected the pseudonym that this key had before, came another");
      }
      const { subjectKey } = answer;
      await keeper.change({
        session: sessionOf(answer),
        ...(subjectKey.length === 0 ? {} : { subjectKey: encodeBase64Url(subjectKey) }),
      });
    },
  });
  if (keeper === undefined) await client.enroll(signal);
  if (keeper === undefined) throw new ClientError("NOT_ENROLLED", "expected an enrolment, there is none");
  return { client, keeper, clock, random };
}

function logOf({ log }: EnrollResponse): PinnedLog {
  if (log === undefined) throw new ClientError("PROTOCOL", "expected the log's identity from Enroll, came none");
  return { origin: log.origin, verifierKey: log.verifierKey };
}

function sessionOf(answer: EnrollResponse): DeviceState["session"] {
  return { deviceId: encodeBase64Url(answer.deviceId), session: encodeBase64Url(answer.session) };
}

function requireLog(pinned: PinnedLog, came: PinnedLog): void {
  if (pinned.origin === came.origin && pinned.verifierKey === came.verifierKey) return;
  throw new ClientError(
    "LOG_MISMATCH",
    `expected the log ${pinned.origin} under its pinned key, came ${came.origin}; do not go on with this coordinator`,
  );
}

function firstState(options: JoinOptions, publicKey: string, answer: EnrollResponse): DeviceState {
  if (!/^[A-Za-z0-9_-]{22}$/.test(answer.subject) || decodeBase64Url(answer.subject).length !== 16) {
    throw new ClientError("PROTOCOL", "expected a pseudonym of 16 bytes from Enroll");
  }
  return {
    v: 1,
    population: options.population,
    publicKey,
    session: sessionOf(answer),
    subject: answer.subject,
    log: options.trust?.log ?? logOf(answer),
    policy: null,
    checkpoint: null,
    chain: { next: 0, previous: null },
    consents: {},
    lastRound: 0,
    charges: [],
    receipts: [],
  };
}
