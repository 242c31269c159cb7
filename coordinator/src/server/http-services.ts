import { parseVkey } from "@fedloop/consent";
import type { FastifyPluginAsync } from "fastify";
import type { AccessTokens } from "../access/access-tokens.js";
import { isInScope, requireRole } from "../access/require-role.js";
import { adminApi } from "../admin/api.js";
import type { AdminDependencies } from "../admin/dependencies.js";
import type { ConnectHost } from "../http/connect.js";
import { HttpServer } from "../http/http-server.js";
import { operationsRoutes } from "../http/operations.js";
import { type ConsentCentre, pageRoutes, pagesFolder } from "../http/pages.js";
import { tileRoutes } from "../http/tiles.js";
import type { CallLimits } from "../limits/call-limits.js";
import type { Books } from "./books.js";
import type { Observation } from "./observation.js";
import type { CoordinatorOptions } from "./options.js";

/** How old what is remembered of operators' tokens gets, milliseconds. */
const OPERATORS_READ_MS = 30_000;

/** What HTTP shows beside the books. */
export interface HttpParts
  extends Pick<AdminDependencies, "publisher" | "populations" | "webhooks" | "drain" | "abandonRound"> {
  readonly connect: ConnectHost;
  readonly limits: CallLimits;
}

/** Serves tiles, devices over Connect, the API, operations and pages. */
export async function serveHttp(
  options: CoordinatorOptions & { readonly http: NonNullable<CoordinatorOptions["http"]> },
  { store, ledger, artifacts, checkpoints, accessTokens }: Books,
  { metrics, onFault, onAnswered }: Observation,
  { connect, limits, ...parts }: HttpParts,
): Promise<HttpServer> {
  const { http, witnesses, clock, origin } = options;
  const admin: AdminDependencies = {
    ...parts,
    store,
    ledger,
    artifacts,
    clock,
    origin,
    verifierKey: checkpoints.vkey,
    witnesses: (witnesses?.witnesses ?? []).map(({ vkey }) => ({ name: parseVkey(vkey).name, vkey })),
    quorum: witnesses?.quorum ?? 0,
    guard: (requirement) => requireRole(accessTokens, { ...requirement, limits }),
    maySee: (request, population) => isInScope(request.access, population),
    onFault,
  };
  const routes = [
    rememberingOperators(accessTokens, store.isShared),
    tileRoutes(parts.publisher),
    connect.routes,
    adminApi(admin),
    operationsRoutes(admin, metrics),
  ];
  routes.push(pageRoutes(pagesFolder(), consentCentre(options)));
  const server = await HttpServer.open({ ...http, routes, limits, onFault, onAnswered });
  options.certificates?.onRenewal((tls) => server.renew(tls));
  return server;
}

/** Where the tokens are in a database of another machine, who may drain this process is known while that one is away. */
function rememberingOperators(tokens: AccessTokens, isShared: boolean): FastifyPluginAsync {
  return async (app) => {
    if (!isShared) return;
    const read = (): Promise<void> => tokens.remember().catch(() => undefined);
    await read();
    const reading = setInterval(() => void read(), OPERATORS_READ_MS);
    app.addHook("onClose", async () => clearInterval(reading));
  };
}

/** What the consent centre asks; null where none is served. */
function consentCentre({ http, plans }: CoordinatorOptions): ConsentCentre | null {
  const centre = http?.consentCentre ?? null;
  if (centre === null) return null;
  const offers = plans.map(({ plan: { population, controller, purpose, dataCategories } }) => {
    return { population, controller, purpose, dataCategories };
  });
  return { ...centre, offers };
}
