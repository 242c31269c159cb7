import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { Tombstones } from "../../src/vault/tombstones.js";
import { temporaryFolder } from "../temporary-folder.js";

const one = { subject: "a".repeat(22), key: "k".repeat(43) };
const two = { subject: "b".repeat(22), key: "l".repeat(43) };

t.test("the list of the erased only grows, also past a line that was being written when the power went", async (t) => {
  const path = join(temporaryFolder(t), "vault", "erased.jsonl");
  const first = await Tombstones.open(path);
  t.strictSame([...first.all()], []);
  await first.add(one);
  await first.add(one);
  writeFileSync(path, `${readFileSync(path, "utf8")}{"subject":"bbb`);
  const second = await Tombstones.open(path);
  t.strictSame([...second.all()], [one]);
  await second.add(two);
  t.strictSame([...(await Tombstones.open(path)).all()], [one, two]);
});

t.test("a damaged list is refused: it must not shrink unnoticed", async (t) => {
  const path = join(temporaryFolder(t), "erased.jsonl");
  writeFileSync(path, `{"subject":"?"}\n${JSON.stringify(one)}\n`);
  await t.rejects(Tombstones.open(path), { code: "STORE_UNREADABLE", message: /line 1/ });
});
