import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { request as plainRequest } from "node:http";
import { type RequestOptions, request } from "node:https";
import { join } from "node:path";
import type { FastifyPluginAsync } from "fastify";
import t, { type Test } from "tap";
import { CoordinatorError } from "../../src/errors.js";
import { HttpServer, type HttpTls } from "../../src/http/http-server.js";
import { temporaryFolder } from "../temporary-folder.js";

async function open(t: Test, route: FastifyPluginAsync, tls: HttpTls | null = null) {
  const faults: [string, unknown][] = [];
  const onFault = (where: string, cause: unknown) => faults.push([where, cause]);
  const server = await HttpServer.open({ host: "127.0.0.1", port: 0, tls, routes: [route], onFault });
  t.teardown(() => server.close(0));
  return { server, base: `http://127.0.0.1:${server.port}`, faults };
}

const echo: FastifyPluginAsync = async (app) => {
  app.post("/echo", (request) => request.body);
};

t.test("every answer says that it is no page, no script and nobody's frame", async (t) => {
  const { base } = await open(t, echo);
  const { headers } = await fetch(`${base}/nothing`);
  t.equal(headers.get("content-security-policy"), "default-src 'none';frame-ancestors 'none'");
  t.equal(headers.get("x-content-type-options"), "nosniff");
  t.equal(headers.get("x-frame-options"), "DENY");
  t.equal(headers.get("referrer-policy"), "no-referrer");
  t.equal(headers.get("strict-transport-security"), null, "which plain HTTP must not say");
  t.equal(headers.get("x-powered-by"), null);
});

t.test("a body above the bound, or one that is no JSON, is refused in a sentence and is no fault", async (t) => {
  const { base, faults } = await open(t, echo);
  const post = (body: string) =>
    fetch(`${base}/echo`, { method: "POST", body, headers: { "content-type": "application/json" } });
  t.equal((await post(JSON.stringify("x".repeat(60_000)))).status, 200);
  const large = await post(JSON.stringify("x".repeat(70_000)));
  t.equal(large.status, 413);
  t.match(await large.json(), { error: { code: "TOO_LARGE", message: String } });
  const broken = await post("{");
  t.equal(broken.status, 400);
  t.match(await broken.json(), { error: { code: "BAD_REQUEST" } });
  const other = await fetch(`${base}/echo`, { method: "POST", body: "<a/>", headers: { "content-type": "text/xml" } });
  t.equal(other.status, 415);
  t.same(faults, []);
});

t.test("headers above the bound are refused", async (t) => {
  const { server } = await open(t, echo);
  const status = await new Promise((resolve, reject) => {
    const headers = { "x-large": "x".repeat(20_000) };
    plainRequest({ port: server.port, path: "/", headers }, (response) => resolve(response.statusCode))
      .on("error", reject)
      .end();
  });
  t.equal(status, 431);
});

t.test(
  "a known error has its status and code; an unforeseen one tells the log all and the caller nothing",
  async (t) => {
    const secret = new Error("connection to 10.0.0.7 refused");
    const { base, faults } = await open(t, async (app) => {
      app.get("/busy", () => {
        throw new CoordinatorError("BUSY", "expected less", { retryAfterMs: 1_500 });
      });
      app.get("/broken/:what", () => {
        throw secret;
      });
    });
    const busy = await fetch(`${base}/busy`);
    t.equal(busy.status, 429);
    t.equal(busy.headers.get("retry-after"), "2");
    t.same(await busy.json(), { error: { code: "BUSY", message: "expected less" } });
    t.same(faults, []);
    const broken = await fetch(`${base}/broken/glass`);
    t.equal(broken.status, 500);
    t.notMatch(await broken.text(), /10\.0\.0\.7/);
    t.same(faults, [["/broken/:what", secret]]);
  },
);

t.test("a port in use is told as such", async (t) => {
  const { server } = await open(t, echo);
  const again = { host: "127.0.0.1", port: server.port, tls: null, routes: [], onFault: () => undefined };
  await t.rejects(HttpServer.open(again), { code: "ADDRESS_IN_USE" });
});

t.test("closing lets a request finish, tells open streams, and ends what does not end by itself", async (t) => {
  let arrivals = 0;
  let bothArrived = (): void => undefined;
  const waiting = new Promise<void>((resolve) => {
    bothArrived = resolve;
  });
  const arrived = (): void => {
    if (++arrivals === 2) bothArrived();
  };
  const { server, base } = await open(t, async (app) => {
    let closing = (): void => undefined;
    const closed = new Promise<void>((resolve) => {
      closing = resolve;
    });
    app.addHook("preClose", async () => closing());
    app.get("/until-closed", async () => {
      arrived();
      await closed;
      return { told: true };
    });
    app.get("/never", () => {
      arrived();
      return new Promise(() => undefined);
    });
  });
  const told = fetch(`${base}/until-closed`);
  const never = fetch(`${base}/never`).catch((cause: unknown) => cause);
  await waiting;
  await server.close(50);
  t.same(await (await told).json(), { told: true });
  t.type(await never, Error);
  await t.rejects(fetch(`${base}/until-closed`), "nobody listens any more");
});

/** A key and certificate for localhost, signed by itself or by an authority. */
function certificate(folder: string, name: string, authority?: string): { cert: Buffer; key: Buffer } {
  const key = join(folder, `${name}.key`);
  const cert = join(folder, `${name}.pem`);
  const signer =
    authority === undefined
      ? []
      : ["-CA", join(folder, `${authority}.pem`), "-CAkey", join(folder, `${authority}.key`)];
  const words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  execFileSync("openssl", [...words, ...subject, ...signer, "-keyout", key, "-out", cert], { stdio: "ignore" });
  return { cert: readFileSync(cert), key: readFileSync(key) };
}

function statusOver(options: RequestOptions): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", path: "/nothing", agent: false, ...options }, (response) => {
      t.match(response.headers["strict-transport-security"], "max-age=31536000");
      response.resume().on("end", () => resolve(response.statusCode));
    })
      .on("error", reject)
      .end();
  });
}

t.test("with certificates it speaks TLS only, and to whom an authority has signed where there is one", async (t) => {
  const folder = temporaryFolder(t);
  const own = certificate(folder, "server");
  const { server } = await open(t, echo, { ...own, clientCa: null });
  t.equal(await statusOver({ port: server.port, ca: own.cert }), 404);
  await t.rejects(fetch(`http://127.0.0.1:${server.port}/nothing`));
  const ca = certificate(folder, "authority");
  const client = certificate(folder, "client", "authority");
  const closed = await open(t, echo, { ...own, clientCa: ca.cert });
  t.equal(await statusOver({ port: closed.server.port, ca: own.cert, ...client }), 404);
  await t.rejects(statusOver({ port: closed.server.port, ca: own.cert }));
  const broken = { cert: Buffer.from("no"), key: own.key, clientCa: null };
  const options = { host: "127.0.0.1", port: 0, tls: broken, routes: [], onFault: () => undefined };
  await t.rejects(HttpServer.open(options), { code: "FILE_UNREADABLE" });
});
