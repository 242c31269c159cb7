import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import t, { type Test } from "tap";
import { allowedStatements, httpAttestation } from "../../src/registry/attestation.js";
import { enrolment, sha256, start } from "./fixture.js";

async function service(t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/check`;
}

t.test("only devices with a statement that the operator knows are let in; they come back without it", async (t) => {
  const check = allowedStatements([sha256("serial 4711")]);
  const { registry, clock } = await start(t, { type: "attestation", check });
  await t.rejects(registry.enroll(enrolment(clock)), { code: "TOKEN_REQUIRED" });
  await t.rejects(registry.enroll(enrolment(clock, undefined, { token: "serial 4712" })), { code: "NOT_ATTESTED" });
  await t.resolves(registry.enroll(enrolment(clock, undefined, { token: "serial 4711" })));
});

t.test("the operator's service is told population, key and statement, and decides", async (t) => {
  const asked: unknown[] = [];
  const url = await service(t, (request, response) => {
    let body = "";
    request.on("data", (data) => {
      body += data;
    });
    request.on("end", () => {
      const question = JSON.parse(body);
      asked.push(question);
      response.end(JSON.stringify({ genuine: question.statement === "a genuine app" }));
    });
  });
  const check = httpAttestation({ url, timeoutMs: 5_000, fetch });
  const { registry, clock } = await start(t, { type: "attestation", check });
  const genuine = enrolment(clock, undefined, { token: "a genuine app" });
  await t.resolves(registry.enroll(genuine));
  const publicKey = Buffer.from(genuine.publicKey).toString("base64url");
  t.strictSame(asked, [{ population: "lecturers", publicKey, statement: "a genuine app" }]);
  await t.rejects(registry.enroll(enrolment(clock, undefined, { token: "another" })), { code: "NOT_ATTESTED" });
});

t.test("a service that fails, says anything else, too much, or nothing, lets nobody in", async (t) => {
  const answers: [string, RequestListener][] = [
    ["an error", (_request, response) => response.writeHead(500).end('{"genuine":true}')],
    ["no JSON", (_request, response) => response.end("true")],
    ["another answer", (_request, response) => response.end('{"genuine":"true"}')],
    ["more than asked", (_request, response) => response.end('{"genuine":true,"admin":true}')],
    ["too much", (_request, response) => response.end(`{"genuine":true${" ".repeat(10_000)}}`)],
    ["a redirect", (_request, response) => response.writeHead(302, { location: "/yes" }).end()],
    ["a cut", (request) => request.socket.destroy()],
    ["nothing", () => undefined],
  ];
  for (const [name, listener] of answers) {
    const check = httpAttestation({ url: await service(t, listener), timeoutMs: 300, fetch });
    const { registry, clock } = await start(t, { type: "attestation", check });
    const attempt = registry.enroll(enrolment(clock, undefined, { token: "a genuine app" }));
    await t.rejects(attempt, { code: "RETRY", retryAfterMs: 30_000 }, name);
    t.equal(await registry.count("lecturers"), 0, name);
  }
});
