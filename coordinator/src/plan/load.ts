import { createHash } from "node:crypto";
import { dirname, extname, resolve } from "node:path";
import { checkYaml, parseYaml, readSmallFile, readYamlFile, type YamlDocument } from "../config/yaml-document.js";
import { CoordinatorError } from "../errors.js";
import { completePlan, type PopulationPlan } from "./population-plan.js";
import { planSchema, type WrittenPlan } from "./schema.js";

/** The largest notice that is shown to participants, in bytes: longer ones are not read by anyone. */
export const MAX_NOTICE_BYTES: number = 256 << 10;

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  ".md": "text/markdown",
  ".txt": "text/plain",
  ".html": "text/html",
};

/** A plan with the exact bytes of its notice. */
export interface LoadedPlan {
  readonly plan: PopulationPlan;
  readonly notice: Uint8Array;
}

async function readNotice(document: YamlDocument, written: WrittenPlan, path: string): Promise<Uint8Array> {
  const place = `${document.where(["notice", "file"])} notice.file`;
  let notice: Uint8Array;
  try {
    notice = await readSmallFile(path, MAX_NOTICE_BYTES);
  } catch (cause) {
    if (!(cause instanceof CoordinatorError)) throw cause;
    throw new CoordinatorError("BAD_PLAN", `${place}: ${cause.message}`, { cause });
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(notice);
    if (text.trim() !== "") return notice;
  } catch (cause) {
    throw new CoordinatorError(
      "BAD_PLAN",
      `${place}: expected UTF-8 text in ${written.notice.file}, came other bytes`,
      { cause },
    );
  }
  throw new CoordinatorError("BAD_PLAN", `${place}: expected a text in ${written.notice.file}, came an empty file`);
}

async function complete(document: YamlDocument, folder: string): Promise<LoadedPlan> {
  const written = checkYaml(document, planSchema, "BAD_PLAN");
  const path = resolve(folder, written.notice.file);
  const notice = await readNotice(document, written, path);
  const mediaType = written.notice.mediaType ?? MEDIA_TYPES[extname(path).toLowerCase()] ?? "text/plain";
  const sha256 = createHash("sha256").update(notice).digest("base64url");
  return { plan: completePlan(written, { path, mediaType, sha256 }), notice };
}

/**
 * Reads a plan and the notice it names, relative to the plan's folder.
 *
 * @throws CoordinatorError FILE_UNREADABLE, or BAD_PLAN with line, column and key of everything that is wrong
 */
export async function loadPlan(path: string): Promise<LoadedPlan> {
  return complete(await readYamlFile(path, "BAD_PLAN"), dirname(resolve(path)));
}

/**
 * The same for a plan that is not in a file.
 *
 * @param name stands for the file's name in messages
 * @param folder that the notice's path is relative to
 */
export async function parsePlan(name: string, text: string, folder: string): Promise<LoadedPlan> {
  return complete(parseYaml(name, text, "BAD_PLAN"), folder);
}
