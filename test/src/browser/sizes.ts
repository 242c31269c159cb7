/**
 * How much of the runtime a browser downloads, as Vite bundles it. The table in docs/client-runtime.md is made by
 *
 *   npm run sizes
 *
 * and a test holds it against what is there.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "..");
export const DOCUMENT: string = join(ROOT, "docs", "client-runtime.md");
const BEGIN = "<!-- table: bundle sizes -->\n";

/** One line of the table: what an app imports, and what is left out of it. */
export interface Bundle {
  readonly name: string;
  readonly source: string;
  /** Packages that are counted elsewhere. */
  readonly without?: RegExp;
}

const PAGE = `
export { WorkerParticipant } from "@fedloop/client-runtime/worker";
export { browserConditions } from "@fedloop/client-runtime/browser";`;
const CORE = `
export { Participant } from "@fedloop/client-runtime";
export { serveParticipant, workerScope } from "@fedloop/client-runtime/worker";
export { browserSigner, indexedDbStore } from "@fedloop/client-runtime/browser";
export { connectTransport } from "@fedloop/client-runtime/connect";
export { webCryptoVerifier } from "@fedloop/consent";
export { systemRandom } from "@fedloop/privacy";`;
const SECURE = `${CORE}\nexport { browserDeviceCrypto } from "@fedloop/privacy/secagg";`;

const ENGINE = `export { compiledTrainer } from "@fedloop/client-runtime/engine";`;

const CAPTURE = `
export { Capture, defineEvents, listenToDom, ParticipantConsent, purposeGate } from "@fedloop/feedback";
export { indexedDbStore } from "@fedloop/client-runtime/browser";`;

/** Not the project's own code. */
const LIBRARIES = /^(?:@bufbuild|@connectrpc|zod|@noble|canonicalize)/;

export const BUNDLES: readonly Bundle[] = [
  { name: "the page: `WorkerParticipant`, `browserConditions`", source: PAGE },
  { name: "the worker: `Participant` over Connect, store, key", source: CORE },
  { name: "of that, fedloop's own code", source: CORE, without: LIBRARIES },
  { name: "the worker with secure aggregation", source: SECURE },
  { name: "the training engine: `compiledTrainer`", source: ENGINE },
  { name: "the core of feedback: registry, capture, store, DOM listener", source: CAPTURE },
];

/** Bytes of a bundle, minified and compressed by gzip at its best. */
export async function gzipBytes({ source, without }: Bundle): Promise<number> {
  const entry = "virtual:bundle";
  const built = await build({
    root: ROOT,
    configFile: false,
    logLevel: "silent",
    plugins: [
      {
        name: "bundle",
        resolveId: (id) => (id === entry ? join(ROOT, "test", "bundle.js") : null),
        load: (id) => (id === join(ROOT, "test", "bundle.js") ? source : null),
      },
    ],
    build: {
      write: false,
      target: "es2023",
      modulePreload: { polyfill: false },
      rollupOptions: {
        input: entry,
        preserveEntrySignatures: "strict",
        external: (id) => without?.test(id) ?? false,
        output: { codeSplitting: false },
      },
    },
  });
  const outputs = (Array.isArray(built) ? built : [built]).flatMap((each) => ("output" in each ? each.output : []));
  const code = outputs.flatMap((each) => (each.type === "chunk" ? [each.code] : [])).join("");
  return gzipSync(code, { level: 9 }).length;
}

/** The table's rows: what, and kB. */
export async function sizeRows(): Promise<(readonly [string, number])[]> {
  const rows: (readonly [string, number])[] = [];
  for (const bundle of BUNDLES) rows.push([bundle.name, Math.ceil((await gzipBytes(bundle)) / 100) / 10]);
  return rows;
}

async function main(): Promise<void> {
  const rows = (await sizeRows()).map(([name, kilobytes]) => `| ${name} | ${kilobytes} |\n`);
  const document = readFileSync(DOCUMENT, "utf8");
  const start = document.indexOf(BEGIN) + BEGIN.length;
  const end = document.indexOf("\n\n", start) + 1;
  const head = "| what a browser downloads | kB, minified, gzip |\n| --- | --- |\n";
  writeFileSync(DOCUMENT, document.slice(0, start) + head + rows.join("") + document.slice(end));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
