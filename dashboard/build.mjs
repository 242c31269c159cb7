// Builds the pages into dist/pages, unless they are there and as new as what they are made of: `npm run build` calls this each
// time.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = dirname(HERE);
const PAGES = join(HERE, "pages");
const OUT = join(HERE, "dist", "pages");
const STAMP = join(HERE, "dist", "pages.sha256");

/** All that goes into the pages but what the lock file names. */
const INPUTS = ["dashboard/build.mjs", "dashboard/pages", "dashboard/src", "package-lock.json"].concat(
  ["proto", "privacy", "consent", "client-runtime"].map((name) => `${name}/src`),
);

function filesIn(path) {
  if (!statSync(path).isDirectory()) return [path];
  const entries = readdirSync(path, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

function fingerprint() {
  const hash = createHash("sha256");
  const files = INPUTS.flatMap((path) => filesIn(join(ROOT, path))).sort();
  for (const file of files) hash.update(`${file.slice(ROOT.length)}\n`).update(readFileSync(file));
  return hash.digest("hex");
}

const now = fingerprint();
if (!existsSync(OUT) || !existsSync(STAMP) || readFileSync(STAMP, "utf8") !== now) {
  const { build } = await import("vite");
  await build({
    root: PAGES,
    base: "./",
    configFile: false,
    logLevel: "error",
    build: {
      outDir: OUT,
      emptyOutDir: true,
      target: "es2023",
      // Inlined files would be data: addresses, which the pages' content security policy does not allow.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rollupOptions: {
        input: { dashboard: join(PAGES, "dashboard/index.html"), consent: join(PAGES, "consent/index.html") },
      },
    },
  });
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, now);
}
