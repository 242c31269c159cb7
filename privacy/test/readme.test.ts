import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";
import {
  addCentralNoise,
  centralGaussian,
  clipL2,
  dequantise,
  noiseMultiplierFor,
  PRIVACY_ERROR_CODES,
  PrivacyFilter,
  quantise,
  systemRandom,
} from "../src/index.js";

const readme: string = readFileSync(fileURLToPath(new URL("../../README.md", import.meta.url)), "utf8");

t.test("the table of error codes is the list of error codes", async (t) => {
  const section = readme.slice(readme.indexOf("## Error codes"));
  const documented = [...section.matchAll(/^\| `([A-Z_]+)` +\|/gm)].map((match) => match[1]);
  for (const code of PRIVACY_ERROR_CODES) {
    t.ok(documented.includes(code), `${code} is documented`);
  }
});

t.test("every public name is in the README, and the other way round", async (t) => {
  const index = readFileSync(fileURLToPath(new URL("../../src/index.ts", import.meta.url)), "utf8");
  const names = [...index.matchAll(/export (?:type )?\{([^}]*)\}/g)]
    .flatMap((match) => (match[1] ?? "").split(","))
    .map((name) => name.replace("type ", "").trim())
    .filter((name) => name !== "");
  const section = readme.slice(readme.indexOf("## Public names"), readme.indexOf("## Events"));
  const documented = [...section.matchAll(/`(\w+)`/g)].map((match) => match[1]);
  for (const name of names) {
    t.ok(documented.includes(name), `${name} is documented`);
  }
  const known = new Set([...names, "DpEvent", "aesCtrRandom"]);
  for (const name of documented) {
    t.ok(name !== undefined && known.has(name), `${name} is exported`);
  }
});

t.test("every kind of event is in the README with its fields", async (t) => {
  const section = readme.slice(readme.indexOf("## Events"), readme.indexOf("## The batched samplers"));
  const rows = new Map(
    [...section.matchAll(/^\| ([^|]*)\|([^|]*)\|/gm)].flatMap(([, types = "", fields = ""]) =>
      [...types.matchAll(/`(\w+)`/g)].map(([, type = ""]) => [type, fields] as const),
    ),
  );
  const source = readFileSync(fileURLToPath(new URL("../../src/accounting/events.ts", import.meta.url)), "utf8");
  const kinds = [...source.matchAll(/readonly type: "(\w+)";([^}]*)\}/g)];
  t.ok(kinds.length > 15);
  for (const [, type = "", body = ""] of kinds) {
    const documented = rows.get(type);
    t.ok(documented !== undefined, `${type} is documented`);
    for (const [, field = ""] of body.matchAll(/readonly (\w+)\??:/g)) {
      t.ok(documented?.includes(field), `${type}.${field} is documented`);
    }
  }
});

t.test("the example runs", async (t) => {
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const body = example
    .replace(/import \{[\s\S]*?\} from "@fedloop\/privacy";/, "")
    .replace("(noiseMultiplier: number)", "(noiseMultiplier)")
    .replaceAll(" as const", "");
  const printed: unknown[][] = [];
  const scope = {
    addCentralNoise,
    centralGaussian,
    clipL2,
    dequantise,
    noiseMultiplierFor,
    PrivacyFilter,
    quantise,
    systemRandom,
    console: { log: (...values: unknown[]) => printed.push(values) },
  };
  new Function(...Object.keys(scope), body)(...Object.values(scope));
  const [values, epsilon] = printed[0] ?? [];
  t.ok(values instanceof Float32Array && values.length === 3 && values.every(Number.isFinite));
  t.ok(typeof epsilon === "number" && epsilon > 0 && epsilon < 4, `${epsilon}`);
});
