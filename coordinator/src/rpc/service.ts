/**
 * Services as plain functions over messages, so that gRPC and Connect serve the same code.
 */
import type {
  DescMethod,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { Consent, Enrollment, METADATA, methodPath, Rounds, signedParts, Transparency } from "@fedloop/proto";
import { CoordinatorError } from "../errors.js";
import type { CallForwarder, RemoteLeader } from "../leadership/forwarder.js";
import type { Admission } from "../limits/admission.js";
import type { CallLimiter } from "../limits/call-limits.js";
import type { Authenticator } from "../registry/authentication.js";
import type { Device } from "../registry/device.js";

/** What a handler knows of its caller. */
export interface CallContext {
  /** Aborted when the caller went away or the server drains. */
  readonly signal: AbortSignal;
}

/** A call that the device's key signed. */
export interface DeviceContext extends CallContext {
  readonly device: Device;
}

type Handler<Method, Context> =
  Method extends DescMethodUnary<infer Input, infer Output>
    ? (request: MessageShape<Input>, context: Context) => Promise<MessageInitShape<Output>> | MessageInitShape<Output>
    : Method extends DescMethodServerStreaming<infer Input, infer Output>
      ? (request: MessageShape<Input>, context: Context) => AsyncIterable<MessageInitShape<Output>>
      : never;

/** The methods of a service that need no signature. */
export type OpenMethods<Service extends DescService> = readonly (keyof Service["method"] & string)[];

/** One function for each method; those that need no signature get no device. */
export type ServiceHandlers<Service extends DescService, Open extends keyof Service["method"] = never> = {
  readonly [Name in keyof Service["method"]]: Handler<
    Service["method"][Name],
    Name extends Open ? CallContext : DeviceContext
  >;
};

/** What carries calls to the handlers: gRPC, or Connect over HTTP. */
export interface ServiceHost {
  /** Serves a service. `open` names the methods that need no signature. */
  add<Service extends DescService, const Open extends keyof Service["method"] & string = never>(
    service: Service,
    open: readonly Open[],
    handlers: ServiceHandlers<Service, Open>,
  ): void;
}

/** What every host works with. */
export interface CallOptions {
  /** How much callers may ask; as much as they like unless given. */
  readonly limits?: CallLimiter | undefined;
  /** Where calls wait for their turn; all are begun at once unless given. */
  readonly admission?: Pick<Admission, "enter"> | undefined;
  readonly authenticator: Pick<Authenticator, "authenticate">;
  readonly clock: { now(): number };
  /** Where coordinators share the store: what passes calls on to the one that leads the caller's population. */
  readonly forwarder?: CallForwarder | undefined;
  /** Told of every fault that a caller only sees as INTERNAL. */
  readonly onFault: (method: string, cause: unknown) => void;
}

/**
 * The device whose key signed a call, if it may call now.
 *
 * @param caller the address that the call came from
 * @param header the call's metadata
 * @param body the request message exactly as it came: the signature is over these bytes
 * @throws CoordinatorError SESSION_EXPIRED, CLOCK_SKEW, REPLAYED, BAD_SIGNATURE, BUSY
 */
export async function signedBy(
  { authenticator, limits }: Pick<CallOptions, "authenticator" | "limits">,
  caller: string,
  method: DescMethod,
  header: (name: string) => string | undefined,
  body: Uint8Array,
): Promise<Device> {
  const credentials = {
    device: header(METADATA.device),
    session: header(METADATA.session),
    nonce: header(METADATA.nonce),
    time: header(METADATA.time),
    signature: header(METADATA.signature),
  };
  try {
    const device = await authenticator.authenticate(methodPath(method), credentials, partsOf(method, body));
    limits?.admitIdentity(device.id);
    return device;
  } catch (cause) {
    if (cause instanceof CoordinatorError && cause.code === "BAD_SIGNATURE") limits?.chargeForLie(caller);
    throw cause;
  }
}

/** Calls by which devices come: whoever finds the line full comes later, and no round is lost. */
const COMING: ReadonlySet<DescMethod> = new Set<DescMethod>([
  Rounds.method.checkIn,
  Rounds.method.watch,
  Enrollment.method.enroll,
  Consent.method.getNotice,
  Transparency.method.getCheckpoint,
  Transparency.method.getConsistencyProof,
  Transparency.method.getInclusionProof,
]);

/** What of a body is signed. @throws CoordinatorError BAD_REQUEST for one that is no message */
function partsOf(method: DescMethod, body: Uint8Array): readonly Uint8Array[] {
  try {
    return signedParts(method.input, body);
  } catch (cause) {
    throw new CoordinatorError("BAD_REQUEST", `expected a message ${method.input.typeName}, came other bytes`, {
      cause,
    });
  }
}

/**
 * Admits a call, and says who is to answer it. What a call that another coordinator passed on may ask was looked at there.
 *
 * @param isSigned whether the method is one that devices sign: the others are answered by whoever is asked
 * @returns undefined when it is to be answered here
 * @throws CoordinatorError BUSY; RETRY while nobody leads the caller's population
 */
export async function leaderOf(
  { limits, admission, forwarder }: Pick<CallOptions, "limits" | "admission" | "forwarder">,
  method: DescMethod,
  caller: string,
  header: (name: string) => string | undefined,
  isSigned: boolean,
): Promise<RemoteLeader | undefined> {
  if (forwarder?.isPassedOn(header) !== true) limits?.admitAddress(caller);
  await admission?.enter(!COMING.has(method));
  return isSigned ? forwarder?.leaderFor(header) : undefined;
}

/** What streams are told when the coordinator goes down. */
export function goingDown(): CoordinatorError {
  return new CoordinatorError("RETRY", "the coordinator is going down; come back", { retryAfterMs: 1_000 });
}
