// What the learning app needs around it: its pages, a coordinator, and an address of that for each learner of a crowd.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { buildPages, STRICT_POLICY, serveFolder } from "@fedloop/test/browser";
import { type Overhearing, openGateway } from "./gateway.js";
import type { CourseConfig } from "./learner.js";
import { publish } from "./publish.js";

/** Where what was opened says how it is closed. */
export interface Ending {
  teardown(end: () => unknown): void;
}

export interface StageOptions {
  /** For pages, configuration and the coordinator's data. */
  readonly folder: string;
  /** Learners in all. */
  readonly people: number;
  readonly quietHours: CourseConfig["quietHours"];
  /** For each learner, what hears their traffic. */
  readonly overhear?: (learner: number) => Overhearing;
}

export interface Stage {
  /** Of the pages. */
  readonly origin: string;
  readonly pages: string;
  /** What the pages read from config.json. */
  readonly course: CourseConfig;
  /** Of the coordinator's HTTP server. */
  readonly coordinator: string;
  /** Its addresses for the learners. */
  readonly gateways: readonly string[];
  /** fedloop.yaml, for other commands. */
  readonly config: string;
}

const repository = fileURLToPath(new URL("../../../", import.meta.url));
const app = join(repository, "examples", "learning-app");
const fedloop = join(repository, "coordinator", "bin", "fedloop.js");

/** Sets everything up; pages and coordinator at once, since neither needs the other. */
export async function setStage(ending: Ending, options: StageOptions): Promise<Stage> {
  const { folder, people, quietHours, overhear } = options;
  const pages = join(folder, "pages");
  const origin = await serveFolder(ending, pages, STRICT_POLICY);
  const config = join(folder, "fedloop.yaml");
  const plans = ["mastery.yaml", "quality.yaml"].map((name) => join(app, name));
  const http = { port: 0, corsOrigins: [origin] };
  const listen = { host: "127.0.0.1", port: 0 };
  writeFileSync(
    config,
    JSON.stringify({ origin: "example.org/learners", dataDir: join(folder, "fedloop-data"), listen, http, plans }),
  );
  const [coordinator] = await Promise.all([serve(ending, config), buildPages(app, pages)]);
  const gateways = await Promise.all(
    Array.from({ length: people }, (_, learner) => openGateway(ending, coordinator, overhear?.(learner))),
  );
  const publisherKey = await publish(pages);
  const course = { coordinator: gateways.at(-1) ?? coordinator, gateways, publisherKey, quietHours };
  writeFileSync(join(pages, "config.json"), JSON.stringify(course));
  return { origin, pages, course, coordinator, gateways, config };
}

/** Starts a coordinator in a process of its own. @returns where it serves HTTP */
async function serve(ending: Ending, config: string): Promise<string> {
  const child = spawn(process.execPath, [fedloop, "--config", config, "serve"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  ending.teardown(() => child.kill());
  let log = "";
  for await (const line of createInterface({ input: child.stderr })) {
    log += `${line}\n`;
    const [, base] = /"http":"([^"]+)".*"msg":"listening"/.exec(line) ?? [];
    if (base === undefined) continue;
    child.stderr.resume();
    return base;
  }
  throw new Error(`the coordinator did not come to listen:\n${log}`);
}
