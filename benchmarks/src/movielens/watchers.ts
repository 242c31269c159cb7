import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Interactions } from "@fedloop/client-runtime";

/** Films of MovieLens-1M. */
export const ITEMS = 3706;

function lines(path: string): string[] {
  return gunzipSync(readFileSync(path)).toString("utf8").trim().split("\n");
}

/** What each user watched, on the split of Neural Collaborative Filtering (He et al. 2017): one film held back against 99. */
export function readWatchers(folder: string): readonly Interactions[] {
  const held = new Map<number, Int32Array>();
  for (const line of lines(join(folder, "ncf-ml-1m.test.negative.gz"))) {
    const [pair = "", ...negatives] = line.split("\t");
    const [user = 0, item = 0] = pair.replace(/[()]/g, "").split(",").map(Number);
    held.set(user, Int32Array.of(item, ...negatives.map(Number)));
  }
  return lines(join(folder, "ncf-train.by-user.txt.gz")).map((line) => {
    const [user = 0, ...items] = line.trim().split(/\s+/).map(Number);
    return { items: Int32Array.from(items), held: held.get(user) ?? new Int32Array(0) };
  });
}
