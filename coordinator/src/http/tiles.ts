import { LedgerError, parseTilePath, type TileName, tileHeaders } from "@fedloop/consent";
import type { FastifyPluginAsync } from "fastify";
import { CoordinatorError } from "../errors.js";
import type { PublishedLog } from "../ledger/published-log.js";

/** What was asked for is not repeated: it may be anything, and answers are logged on their way. */
const NO_TILE = "expected the path of a tile of the published log, as in tile/0/x001/067";

/** `/checkpoint`, `/tile/…` and `/tile/entries/…` (C2SP tlog-tiles), open to everyone, to web pages too. */
export function tileRoutes(log: PublishedLog): FastifyPluginAsync {
  return async (app) => {
    app.addHook("onSend", async (_request, reply) => {
      reply.header("access-control-allow-origin", "*").header("cross-origin-resource-policy", "cross-origin");
    });
    app.get("/checkpoint", (_request, reply) => reply.headers(tileHeaders("checkpoint")).send(log.checkpoint()));
    app.get<{ Params: { "*": string } }>("/tile/*", async (request, reply) => {
      const path = `tile/${request.params["*"]}`;
      const bytes = await log.tile(nameOf(path));
      if (bytes === undefined) throw new CoordinatorError("NOT_FOUND", NO_TILE);
      return reply.headers(tileHeaders(path)).send(bytes);
    });
  };
}

function nameOf(path: string): TileName {
  try {
    return parseTilePath(path);
  } catch (cause) {
    if (!(cause instanceof LedgerError)) throw cause;
    throw new CoordinatorError("NOT_FOUND", NO_TILE, { cause });
  }
}
