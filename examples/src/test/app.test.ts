import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { crowd, ratingsOf } from "./people.js";
import { type Ended, environment, repository, run, small, temporaryFolder } from "./surroundings.js";

t.test(
  "an app joins, takes part, uses the model, shows what is kept, withdraws and erases; one who says no takes no part",
  async (t) => {
    const folder = temporaryFolder(t);
    const env = environment(folder);
    const coordinator = run("fedloop", ["serve"], { cwd: small, env });
    t.teardown(() => coordinator.stop());
    const address = await coordinator.address;
    t.capture(console, "log");

    const { items, ratings } = ratingsOf(11);
    const file = join(folder, "ratings.csv");
    writeFileSync(file, [...items].map((item, i) => `${item},${ratings[i]}`).join("\n"));
    const app = (device: string, input: string, ...flags: string[]): Promise<Ended> => {
      const script = join(repository, "examples", "dist", "src", "app.js");
      return run(process.execPath, [script, address, join(folder, device), file, ...flags], { cwd: folder, env, input })
        .ended;
    };

    const refused = await app("refusing", "no\n");
    t.equal(refused.code, 1);
    t.match(refused.output, "Your ratings never leave your device");
    t.match(refused.errors, "CONSENT_REFUSED");

    const [taking] = await Promise.all([app("device", "yes\n"), crowd(address, folder, 11)]);
    t.equal(taking.code, 0, taking.errors);
    t.match(taking.output, "round 1: accepted");
    t.match(taking.output, "round 3: released");
    t.match(taking.output, "3 rounds cost ε 4.000 at δ 0.00001");
    const [, best = ""] = /recommended: lecturers ([\d, ]+)/.exec(taking.output) ?? [];
    const recommended = best.split(", ").map(Number);
    t.equal(recommended.length, 3);
    t.notOk(
      recommended.some((lecturer) => items.includes(lecturer)),
      "nothing that was rated already",
    );

    const exported = await app("device", "", "--export");
    const { subject, receipts, coordinator: kept } = JSON.parse(exported.output);
    t.equal(receipts.filter(({ type }: { type: string }) => type === "round").length, 3);
    t.match(kept.document, subject, "with what the coordinator holds, under its signature");

    const withdrawn = await app("device", "", "--withdraw");
    t.equal(withdrawn.code, 0, withdrawn.errors);
    t.match(withdrawn.output, /^withdrawn; receipts: .*withdrawn at \d+\n$/);
    t.notMatch(withdrawn.output, "May ", "who has answered is not asked again");
    const again = await app("device", "");
    t.equal(again.code, 1);
    t.match(again.errors, "CONSENT_REFUSED", "a withdrawal holds in later runs");

    const erased = await app("device", "", "--erase");
    t.equal(erased.code, 0, erased.errors);
    t.match(erased.output, /tlog-proof/, "the receipt");
    t.notOk(existsSync(join(folder, "device")), "nothing is left on the device");
  },
);
