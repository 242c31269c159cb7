import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { build } from "vite";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
  ".json": "application/json",
};

/** A folder of pages as Vite builds it for publication. @param root with an index.html. @param out where it goes */
export async function buildPages(root: string, out: string): Promise<void> {
  await build({
    root,
    base: "./",
    configFile: false,
    logLevel: "error",
    worker: { format: "es" },
    build: { outDir: out, emptyOutDir: true, modulePreload: { polyfill: false }, target: "es2023" },
  });
}

/** What a strict page may load: its own files, and one coordinator to speak to. No eval, no WebAssembly. */
export const STRICT_POLICY =
  "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self' http://127.0.0.1:*; style-src 'self'; img-src data:";

/** Serves a folder, and answers `/held` when `held` is done. @returns its origin */
export async function serveFolder(
  t: { teardown(end: () => unknown): void },
  folder: string,
  policy: string,
  held?: Promise<unknown>,
): Promise<string> {
  const server = createServer((request, response) => {
    if (request.url === "/held") {
      void held?.then(() => response.writeHead(204).end());
      return;
    }
    const path = normalize(new URL(request.url ?? "/", "http://pages").pathname);
    const file = join(folder, path.endsWith("/") ? join(path, "index.html") : path);
    readFile(file).then(
      (bytes) => {
        const type = TYPES[extname(file)] ?? "application/octet-stream";
        response.writeHead(200, { "content-type": type, "content-security-policy": policy }).end(bytes);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  // A TCP server's address is never a path.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
