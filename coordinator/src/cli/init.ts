import { access, mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { CoordinatorError } from "../errors.js";
import { SAMPLE_NOTICE, sampleConfig, samplePlan } from "../init/sample-files.js";
import type { Surroundings } from "./surroundings.js";

export interface InitOptions {
  readonly folder: string;
  readonly population: string;
  /** Host names and addresses of the server, beside this machine's own. */
  readonly hosts: readonly string[];
  readonly json: boolean;
}

interface Written {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

const OPEN = 0o644;
const SECRET = 0o600;

/**
 * Writes what a coordinator needs to start: fedloop.yaml, a plan, a notice, and certificates for development. Nothing is
 * written when any of the files is there.
 *
 * @throws CoordinatorError CONFLICT when something would be overwritten; FILE_UNREADABLE where nothing can be written
 */
export async function initialise(options: InitOptions, { print }: Surroundings): Promise<void> {
  const { population, hosts, json } = options;
  const folder = resolve(options.folder);
  const { CERTIFICATE_DAYS, developmentCertificates } = await import("../tls/development-certificates.js");
  const { ca, server, client } = await developmentCertificates(hosts, Date.now());
  const files: readonly Written[] = [
    { path: "fedloop.yaml", content: sampleConfig(`localhost/${population}`, 7443), mode: OPEN },
    { path: "plan.yaml", content: samplePlan(population), mode: OPEN },
    { path: "notice.md", content: SAMPLE_NOTICE, mode: OPEN },
    { path: "tls/ca.pem", content: ca, mode: OPEN },
    { path: "tls/server.pem", content: server.cert, mode: OPEN },
    { path: "tls/server.key", content: server.key, mode: SECRET },
    { path: "tls/client.pem", content: client.cert, mode: OPEN },
    { path: "tls/client.key", content: client.key, mode: SECRET },
  ];
  await refuseToOverwrite(folder, files);
  try {
    await mkdir(join(folder, "tls"), { recursive: true, mode: 0o755 });
    for (const { path, content, mode } of files) await writeFile(join(folder, path), content, { flag: "wx", mode });
  } catch (cause) {
    throw new CoordinatorError("FILE_UNREADABLE", `expected to write into ${folder}; check its permissions`, { cause });
  }
  const written = files.map(({ path }) => path);
  if (json) {
    print(`${JSON.stringify({ folder, files: written, certificateDays: CERTIFICATE_DAYS })}\n`);
    return;
  }
  const steps = [
    ...(folder === process.cwd() ? [] : [`cd ${options.folder}`]),
    "edit notice.md and plan.yaml, then   fedloop plan validate",
    "fedloop serve",
    'in the app: grpcTransport({ address: "localhost:7443", tls: { rootCertificates: readFileSync("tls/ca.pem") } })',
    "a token for the HTTP API:   fedloop tokens create --role operator --name me",
  ];
  print(
    `Wrote into ${folder}\n${written.map((path) => `  ${path}\n`).join("")}
The certificates are for development, good for ${CERTIFICATE_DAYS} days; the authority's key was thrown away.

Next
${steps.map((step, at) => `  ${at + 1}. ${step}\n`).join("")}`,
  );
}

async function refuseToOverwrite(folder: string, files: readonly Written[]): Promise<void> {
  const there: string[] = [];
  for (const { path } of files) {
    const isThere = await access(join(folder, path)).then(
      () => true,
      () => false,
    );
    if (isThere) there.push(path);
  }
  if (there.length === 0) return;
  throw new CoordinatorError(
    "CONFLICT",
    `expected a folder without them, ${folder} has ${there.join(", ")} already; name another folder, or move them away`,
  );
}
