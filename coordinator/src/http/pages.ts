// The pages that @fedloop/dashboard holds, built: the operator's dashboard and the participant's consent centre.
import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, extname, join, relative, sep } from "node:path";
import type { FastifyPluginAsync, FastifyReply } from "fastify";
import { CoordinatorError } from "../errors.js";

/** What a person may be asked in the consent centre. All of it is public: the ledger's policies and plans say the same. */
export interface ConsentOffer {
  readonly population: string;
  readonly controller: string;
  readonly purpose: string;
  readonly dataCategories: readonly string[];
}

/** What the consent centre shows before anyone has joined. */
export interface ConsentCentre {
  /** Whose law the consents are given under, as their records name it. */
  readonly jurisdiction: string;
  readonly offers: readonly ConsentOffer[];
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** The pages load their own files, and speak to their own coordinator; nothing else, and nobody may frame them. */
export const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Files are named after their content. */
const IMMUTABLE = "public, max-age=31536000, immutable";

/** Where the built pages lie; null where the package is not installed. */
export function pagesFolder(): string | null {
  try {
    return join(dirname(createRequire(import.meta.url).resolve("@fedloop/dashboard/package.json")), "dist", "pages");
  } catch {
    return null;
  }
}

interface PageFile {
  readonly bytes: Buffer;
  readonly type: string;
}

/** The built files by their addresses; none where they have not been built. */
async function readPages(folder: string | null): Promise<ReadonlyMap<string, PageFile>> {
  if (folder === null) return new Map();
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  const files = new Map<string, PageFile>();
  for (const entry of entries) {
    const type = TYPES[extname(entry.name)];
    if (!entry.isFile() || type === undefined) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(`/${relative(folder, path).split(sep).join("/")}`, { bytes: await readFile(path), type });
  }
  return files;
}

/**
 * `/dashboard/`, and where there is a centre `/consent/`. The files are few, and kept in memory: no path of a request ever
 * leads into a folder.
 */
export function pageRoutes(folder: string | null, centre: ConsentCentre | null): FastifyPluginAsync {
  return async (app) => {
    const files = await readPages(folder);
    const send = (reply: FastifyReply, path: string): FastifyReply => {
      const file = files.get(path);
      if (file === undefined) {
        throw new CoordinatorError(
          "NOT_FOUND",
          files.size === 0
            ? "the pages are not built; run npm run build"
            : "expected a file of the pages, came another path",
        );
      }
      const { bytes, type } = file;
      return reply
        .headers({
          "content-type": type,
          "content-security-policy": PAGE_POLICY,
          "cache-control": path.startsWith("/assets/") ? IMMUTABLE : "no-cache",
        })
        .send(bytes);
    };
    const names = centre === null ? ["dashboard"] : ["dashboard", "consent"];
    for (const name of names) {
      app.get(`/${name}`, (_request, reply) => reply.redirect(`/${name}/`));
      app.get(`/${name}/`, (_request, reply) => send(reply, `/${name}/index.html`));
    }
    app.get("/", (_request, reply) => reply.redirect("/dashboard/"));
    app.get<{ Params: { file: string } }>("/assets/:file", ({ params }, reply) =>
      send(reply, `/assets/${params.file}`),
    );
    if (centre === null) return;
    app.get("/consent/offers.json", (_request, reply) =>
      reply.header("cache-control", "no-cache").send({ jurisdiction: centre.jurisdiction, offers: centre.offers }),
    );
  };
}
