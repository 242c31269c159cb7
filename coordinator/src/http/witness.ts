import type { Witness } from "@fedloop/consent";
import type { FastifyPluginAsync } from "fastify";

/** A checkpoint with 99 signatures and 63 hashes is far below this. */
const REQUEST_BYTES = 64 * 1024;

/** `POST /add-checkpoint` (C2SP tlog-witness). */
export function witnessRoutes(witness: Witness): FastifyPluginAsync {
  return async (app) => {
    app.removeAllContentTypeParsers();
    // Whatever a log calls its request: the body is text of one form.
    app.addContentTypeParser("*", { parseAs: "string", bodyLimit: REQUEST_BYTES }, (_request, body, done) =>
      done(null, body),
    );
    app.post<{ Body: unknown }>("/add-checkpoint", async (request, reply) => {
      const body = typeof request.body === "string" ? request.body : "";
      const { status, contentType, body: answer } = await witness.addCheckpoint(body);
      return reply.status(status).header("content-type", contentType).header("cache-control", "no-store").send(answer);
    });
  };
}
