import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildPages, openBrowser, openPage, STRICT_POLICY, serveFolder, withoutChromium } from "@fedloop/test/browser";
import t from "tap";
import { crowd, ratingsOf } from "./people.js";
import { environment, repository, run, small, temporaryFolder } from "./surroundings.js";

t.test(
  "the browser app asks, takes part, recommends, goes on after a reload, withdraws and erases",
  {
    skip: withoutChromium,
  },
  async (t) => {
    const folder = temporaryFolder(t);
    const pages = join(folder, "pages");
    await buildPages(join(repository, "examples", "browser"), pages);
    const origin = await serveFolder(t, pages, STRICT_POLICY);
    const config = join(folder, "fedloop.yaml");
    const http = { port: 0, corsOrigins: [origin] };
    writeFileSync(config, JSON.stringify({ origin: "example.org/small", http, plans: [join(small, "plan.yaml")] }));
    const env = environment(folder);
    const coordinator = run("fedloop", ["--config", config, "serve"], { cwd: folder, env });
    t.teardown(() => coordinator.stop());
    const address = await coordinator.address;
    t.capture(console, "log");

    const page = await openPage(t, await openBrowser(t));
    await page.goto(`${origin}/?coordinator=${await coordinator.http}`);
    const { items, ratings } = ratingsOf(11);
    await page.fill("#rows", [...items].map((item, i) => `${item},${ratings[i]}`).join("\n"));
    await page.click("text=Take part");
    await page.waitForSelector("#question[open]");
    t.match(await page.textContent("#notice"), "Your ratings never leave your device");
    t.match(await page.textContent("#asked"), "lecture-recommendations");
    // An app that is being used does not train: the mouse rests from here on.
    await page.click("#yes");
    const others = crowd(address, folder, 11);
    await page.waitForFunction(() => document.getElementById("status")?.textContent === "finished", undefined, {
      timeout: 0,
    });
    await others;
    t.match(await page.textContent("#budget"), "3 rounds cost ε 4.000 at δ 0.00001");
    const recommended = ((await page.textContent("#recommended")) ?? "").split(", ").map(Number);
    t.equal(recommended.length, 3);
    t.notOk(
      recommended.some((lecturer) => items.includes(lecturer)),
      "nothing that was rated already",
    );
    t.equal(await page.locator("#receipts li").count(), 4);

    await page.reload();
    await page.waitForFunction(() => document.getElementById("status")?.textContent === "finished", undefined, {
      timeout: 0,
    });
    t.notOk(await page.isVisible("#question"), "who has answered is not asked again");
    t.equal(await page.locator("#receipts li").count(), 4);

    await page.click("text=Show what is kept");
    await page.waitForFunction(() => document.getElementById("exported")?.textContent !== "");
    const exported = JSON.parse((await page.textContent("#exported")) ?? "");
    t.match(exported.coordinator.document, exported.subject);
    await page.click("#withdraw");
    await page.waitForFunction(() => document.getElementById("status")?.textContent === "withdrawn");
    t.match(await page.locator("#receipts li").last().textContent(), "consent.withdrawn");
    await page.click("#erase");
    await page.waitForFunction(() => document.getElementById("status")?.textContent === "erased");
    const databases = await page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name));
    t.same(databases, [], "key and store are gone");
  },
);
