import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";
import { openWithApi } from "./api.js";

const COMMITTED = fileURLToPath(new URL("../../../../docs/openapi.json", import.meta.url));

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly required?: boolean }[];
  readonly responses: Readonly<Record<string, unknown>>;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

t.test("docs/openapi.json is the document of these routes", async (t) => {
  const { get } = await openWithApi(t);
  const { body } = await get("/openapi.json");
  t.strictSame(
    JSON.parse(readFileSync(COMMITTED, "utf8")),
    body,
    "after a change: npm run build && node coordinator/dist/test/admin/write-openapi.js",
  );
});

t.test("every operation has a name and a summary, every reference leads somewhere, every POST asks for a key", (t) => {
  const document: Document = JSON.parse(readFileSync(COMMITTED, "utf8"));
  t.equal(document.openapi, "3.1.0");
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
  );
  const names = operations.map(({ operationId }) => operationId);
  t.equal(new Set(names).size, names.length);
  for (const { path, method, operationId, summary, parameters, responses } of operations) {
    t.ok(operationId && summary, `${method} ${path}`);
    t.ok("200" in responses || "202" in responses, `${method} ${path} says what it answers`);
    t.ok("default" in responses, `${method} ${path} says that errors are problems`);
    const key = parameters?.find(({ in: place, name }) => place === "header" && name === "idempotency-key");
    t.equal(key?.required === true, method === "post", `${method} ${path}`);
  }
  for (const [, name = ""] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    t.ok(name in document.components.schemas, name);
  }
  t.end();
});
