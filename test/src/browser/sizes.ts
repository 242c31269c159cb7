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

/** One line of the table: what an app imports, what it has come to load by itself, and what is left out. */
export interface Bundle {
  readonly name: string;
  readonly source: string;
  /** Parts that are loaded on the way, by the ends of their modules' paths. */
  readonly loaded?: readonly string[];
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

const GUARD = ["guard/index.js", "scheduling/training-gate.js"];
const ROUND = [...GUARD, "participation/training.js", "participation/settlement.js"];
const MASKED = [...ROUND, "participation/secure-session.js"];
const ASKED = ["participation/subject-rights.js", "models/released-model.js", "participation/personal-payload.js"];

function trainer(name: string, subpath = ""): Bundle {
  return {
    name: `a trainer alone: \`${name}\``,
    source: `export { ${name} } from "@fedloop/client-runtime${subpath}";`,
  };
}

const CAPTURE = `
export { Capture, defineEvents, listenToDom, ParticipantConsent, purposeGate } from "@fedloop/feedback";
export { indexedDbStore } from "@fedloop/client-runtime/browser";`;

/** Not the project's own code. */
const LIBRARIES = /^(?:@bufbuild|zod|@noble|canonicalize)/;

export const BUNDLES: readonly Bundle[] = [
  { name: "the page: `WorkerParticipant`, `browserConditions`", source: PAGE },
  { name: "the worker's core: key, store, Connect; joins, asks consent, waits for rounds", source: CORE },
  { name: "of that, fedloop's own code", source: CORE, without: LIBRARIES },
  { name: "core and what the first offer loads: the guard with its accountant", source: CORE, loaded: GUARD },
  { name: "and what a round loads: model, clip, noise, upload", source: CORE, loaded: ROUND },
  { name: "and under secure aggregation", source: SECURE, loaded: MASKED },
  {
    name: "all of it: export, erasure, the released model and personal data too",
    source: SECURE,
    loaded: [...MASKED, ...ASKED],
  },
  trainer("biasedFactorisationTrainer"),
  trainer("implicitFactorisationTrainer"),
  trainer("secondMomentsTrainer"),
  trainer("logisticRegressionTrainer"),
  trainer("compiledTrainer", "/engine"),
  { name: "the core of feedback: registry, capture, store, DOM listener", source: CAPTURE },
];

interface Chunk {
  readonly fileName: string;
  readonly code: string;
  readonly imports: readonly string[];
  readonly moduleIds: readonly string[];
  readonly isEntry: boolean;
}

/** The files of a bundle, minified. */
async function chunksOf({ source, without }: Bundle): Promise<ReadonlyMap<string, Chunk>> {
  const entry = "virtual:bundle";
  const built = await build({
    root: ROOT,
    configFile: false,
    logLevel: "silent",
    plugins: [
      {
        name: "bundle",
        enforce: "pre",
        resolveId: (id) => (id === entry ? join(ROOT, "test", "bundle.js") : null),
        load: (id) => {
          if (id === join(ROOT, "test", "bundle.js")) return source;
          // What Vite puts around a dynamic import in a page, to load style sheets: in a worker it leaves it away.
          return id.includes("vite/preload-helper") ? "export const __vitePreload = (load) => load();" : null;
        },
      },
    ],
    build: {
      write: false,
      target: "es2023",
      modulePreload: { polyfill: false },
      rollupOptions: {
        input: entry,
        // As for an app's own entry, which nobody imports.
        preserveEntrySignatures: "allow-extension",
        external: (id) => without?.test(id) ?? false,
      },
    },
  });
  const outputs = (Array.isArray(built) ? built : [built]).flatMap((each) => ("output" in each ? each.output : []));
  return new Map(outputs.flatMap((each) => (each.type === "chunk" ? [[each.fileName, each] as const] : [])));
}

/** Bytes that a browser loads of a bundle: its files, each compressed by gzip at its best. */
export async function gzipBytes(bundle: Bundle): Promise<number> {
  const chunks = await chunksOf(bundle);
  const { loaded = [] } = bundle;
  const fetched = new Set<Chunk>();
  const fetch = (chunk: Chunk | undefined): void => {
    if (chunk === undefined || fetched.has(chunk)) return;
    fetched.add(chunk);
    for (const name of chunk.imports) fetch(chunks.get(name));
  };
  for (const chunk of chunks.values()) if (chunk.isEntry) fetch(chunk);
  for (const part of loaded) {
    const chunk = [...chunks.values()].find(({ moduleIds }) => moduleIds.some((id) => id.endsWith(part)));
    if (chunk === undefined) throw new Error(`expected ${part} in a file of its own, no file has it`);
    fetch(chunk);
  }
  return [...fetched].reduce((bytes, { code }) => bytes + gzipSync(code, { level: 9 }).length, 0);
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
