import { Artifacts, Consent, Enrollment, Rounds, Transparency } from "@fedloop/proto";
import { ChannelCredentials } from "@grpc/grpc-js";
import type { ConnectHost, ConnectHostOptions } from "../http/connect.js";
import { Cluster } from "../leadership/cluster.js";
import { Admission } from "../limits/admission.js";
import type { CallLimits } from "../limits/call-limits.js";
import type { Metrics } from "../metrics/metrics.js";
import { Authenticator } from "../registry/authentication.js";
import { Turnstile } from "../rounds/turnstile.js";
import { artifactsService } from "../rpc/artifacts.js";
import { consentService } from "../rpc/consent.js";
import { enrollmentService } from "../rpc/enrollment.js";
import { GrpcServer } from "../rpc/grpc-server.js";
import { ModelChunks } from "../rpc/model-chunks.js";
import { roundsService } from "../rpc/rounds.js";
import { transparencyService } from "../rpc/transparency.js";
import type { Books } from "./books.js";
import { addHealth } from "./health.js";
import type { CoordinatorKeys } from "./keys.js";
import type { Observation } from "./observation.js";
import type { OpenPopulations } from "./open-populations.js";
import type { CoordinatorOptions } from "./options.js";
import { addReflection } from "./reflection.js";

/** Where devices find the coordinator. */
export interface DeviceServices {
  readonly server: GrpcServer;
  /** Undefined where only gRPC is served. */
  readonly connect: ConnectHost | undefined;
  readonly cluster: Cluster | undefined;
  readonly port: number;
  /** Says from now on that more is not taken. */
  refuseMore(): void;
}

/** Serves the devices' calls: over gRPC, which listens, and over Connect, to be mounted where HTTP is served. */
export async function serveDevices(
  options: CoordinatorOptions,
  keys: CoordinatorKeys,
  books: Books,
  { populations, policies }: Pick<OpenPopulations, "populations" | "policies">,
  { metrics, onFault }: Observation,
  limits: CallLimits,
): Promise<DeviceServices> {
  const { ledger, store, registry, vault, verifier, erasures } = books;
  const { clock, origin } = options;
  const verifierKey = books.checkpoints.vkey;
  const signed = new Authenticator({ registry, verifier, clock });
  const authenticator = counted(signed, metrics);
  const models = new ModelChunks(populations.size);
  const turnstile = new Turnstile();
  let address = options.address;
  const cluster = store.isShared
    ? new Cluster({
        ...{ store, ledger, registry, populations, authenticator: signed, onFault },
        secret: keys.cluster,
        address: () => options.cluster?.address ?? address,
        credentials: options.cluster?.credentials ?? ChannelCredentials.createInsecure(),
        leaseMs: options.cluster?.leaseMs,
      })
    : undefined;
  const { waitingCalls } = options;
  const admission = new Admission({ clock, waitingCalls, onRefused: () => metrics.turnedAway() });
  const calls = { authenticator, clock, limits, admission, onFault, forwarder: cluster?.forwarder };
  const server = new GrpcServer(calls);
  const connect = await connectHost(options, calls);
  for (const host of connect === undefined ? [server] : [server, connect]) {
    host.add(Enrollment, ["enroll"], enrollmentService({ ledger, registry, clock, log: { origin, verifierKey } }));
    host.add(
      Consent,
      ["getNotice", "getErasure"],
      consentService({
        ledger,
        populations,
        policies,
        verifier,
        clock,
        origin,
        store,
        vault,
        erasures,
        registry,
        operator: keys.operator,
      }),
    );
    host.add(Rounds, [], roundsService({ ledger, populations, models, turnstile, clock }));
    host.add(Artifacts, [], artifactsService({ ledger, populations, models, turnstile }));
    host.add(
      Transparency,
      ["getCheckpoint", "getInclusionProof", "getConsistencyProof"],
      transparencyService({ ledger, store }),
    );
  }
  const refuseMore = addHealth(server.server);
  addReflection(server.server);
  const port = await server.listen(options.address, options.credentials);
  address = options.address.replace(/:\d+$/, `:${port}`);
  return { server, connect, cluster, port, refuseMore };
}

/** Devices over HTTP. What serves them is loaded only where HTTP is served. */
async function connectHost(
  { http = null }: CoordinatorOptions,
  calls: Omit<ConnectHostOptions, "corsOrigins">,
): Promise<ConnectHost | undefined> {
  if (http === null) return undefined;
  const { ConnectHost } = await import("../http/connect.js");
  return new ConnectHost({ ...calls, corsOrigins: http.corsOrigins ?? [] });
}

/** The authenticator, with its calls counted. */
function counted(authenticator: Authenticator, metrics: Metrics): Pick<Authenticator, "authenticate"> {
  return {
    authenticate(path, credentials, signed) {
      metrics.callReceived(
        path,
        signed.reduce((bytes, part) => bytes + part.length, 0),
      );
      return authenticator.authenticate(path, credentials, signed);
    },
  };
}
