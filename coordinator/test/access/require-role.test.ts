import Fastify from "fastify";
import t, { type Test } from "tap";
import { openAccessStore } from "../../src/access/access-store.js";
import { AccessTokens, ROLES, type Role } from "../../src/access/access-tokens.js";
import { isInScope, requireRole } from "../../src/access/require-role.js";
import { httpFailure } from "../../src/http/http-status.js";
import { manualClock } from "../ledger/fixture.js";

async function start(t: Test) {
  const store = await openAccessStore(":memory:");
  const tokens = new AccessTokens(store, manualClock());
  const app = Fastify();
  t.teardown(async () => {
    await app.close();
    await store.close();
  });
  let bodies = 0;
  app.addContentTypeParser("text/plain", { parseAs: "string" }, (_request, body, done) => {
    bodies += 1;
    done(null, body);
  });
  app.setErrorHandler((cause, _request, reply) => {
    const { status, code, message } = httpFailure(cause);
    return reply.status(status).send({ error: { code, message } });
  });
  for (const role of ROLES) app.post(`/${role}`, { onRequest: requireRole(tokens, { role }) }, () => "in");
  app.get<{ Params: { population: string } }>(
    "/populations/:population",
    { onRequest: requireRole(tokens, { role: "viewer" }) },
    (request) => request.access?.name,
  );
  app.get("/populations", { onRequest: requireRole(tokens, { role: "viewer", scope: "handler" }) }, (request) =>
    ["lecturers", "schools"].filter((name) => isInScope(request.access, name)),
  );
  const ask = (method: "GET" | "POST", url: string, authorization?: string) =>
    app.inject({
      method,
      url,
      headers: { ...(authorization === undefined ? {} : { authorization }), "content-type": "text/plain" },
      ...(method === "POST" ? { body: "a body" } : {}),
    });
  const make = async (role: Role, populations: string[] | null = null) =>
    (await tokens.create({ name: `a ${role}`, role, populations, lifeMs: 1_000 })).token;
  return { ask, make, bodies: () => bodies };
}

t.test("each role may what the lesser ones may, and no more", async (t) => {
  const { ask, make } = await start(t);
  for (const [held, role] of ROLES.entries()) {
    const token = await make(role);
    for (const [needed, route] of ROLES.entries()) {
      const { statusCode, body } = await ask("POST", `/${route}`, `Bearer ${token}`);
      t.equal(statusCode, held <= needed ? 200 : 403, `${role} on ${route}`);
      if (held > needed) t.match(JSON.parse(body), { error: { code: "FORBIDDEN", message: `role ${route}` } });
    }
  }
});

t.test("who sends no token in force is told how to come by one, and the body is not read", async (t) => {
  const { ask, make, bodies } = await start(t);
  const token = await make("operator");
  for (const authorization of [
    undefined,
    "",
    token,
    `Basic ${token}`,
    `Bearer ${token}x`,
    "Bearer",
    `Bearer ${"x".repeat(5_000)}`,
  ]) {
    const { statusCode, headers, body } = await ask("POST", "/viewer", authorization);
    t.equal(statusCode, 401, String(authorization).slice(0, 40));
    t.equal(headers["www-authenticate"], 'Bearer realm="fedloop"');
    t.match(JSON.parse(body), { error: { code: "UNAUTHENTICATED" } });
    t.notMatch(body, token.slice(-43));
  }
  t.equal(bodies(), 0);
  await ask("POST", "/viewer", `Bearer ${token}`);
  t.equal(bodies(), 1);
});

t.test("a token for some populations is kept to them", async (t) => {
  const { ask, make } = await start(t);
  const scoped = `Bearer ${await make("operator", ["lecturers"])}`;
  t.match(await ask("GET", "/populations/lecturers", scoped), { statusCode: 200, body: "a operator" });
  t.match(await ask("GET", "/populations/schools", scoped), { statusCode: 403 });
  t.match(await ask("GET", "/populations/Lecturers", scoped), { statusCode: 403 });
  t.match(await ask("POST", "/viewer", scoped), { statusCode: 403 }, "what is of all populations is not its");
  t.strictSame(JSON.parse((await ask("GET", "/populations", scoped)).body), ["lecturers"]);
  const unscoped = `Bearer ${await make("viewer")}`;
  t.match(await ask("GET", "/populations/schools", unscoped), { statusCode: 200 });
  t.strictSame(JSON.parse((await ask("GET", "/populations", unscoped)).body), ["lecturers", "schools"]);
});
