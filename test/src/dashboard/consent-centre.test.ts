// The participant's consent centre: a person decides, and decides otherwise, in a page that holds their own key.
import { readFileSync } from "node:fs";
import { parseEntry, verifyReceipt } from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import t from "tap";
import { openBrowser, withoutChromium } from "../browser/chromium.js";
import { POPULATION, PURPOSE, ServeProcess, temporaryFolder, writeConfiguration } from "../processes/serve.js";
import { DESKTOP, openWatched, picture, requireReadable } from "./pages.js";

const HTTP = { port: 0, corsOrigins: [], consentCentre: { jurisdiction: "CH" } };

t.test(
  "a person refuses, consents, withdraws, sees everything and has it erased",
  { skip: withoutChromium },
  async (t) => {
    const config = writeConfiguration(temporaryFolder(t), {}, 0, HTTP);
    const server = new ServeProcess(t, config);
    const { http, verifierKey } = await server.listening();
    const browser = await openBrowser(t);
    const { page, origins, complaints } = await openWatched(t, browser, { viewport: DESKTOP, colorScheme: "light" });
    await page.goto(`${http}/consent/`);
    await page.getByText("has not been asked yet").waitFor();
    await picture(page, "consent-before");

    const dialog = page.getByRole("dialog", { name: `for “${PURPOSE}”` });
    const state = (text: string) => page.locator(".badge").getByText(text, { exact: true }).waitFor();
    const receipts = page.getByRole("region", { name: "receipts" }).locator("tbody tr");

    // By keyboard: Tab to the only button, Enter, and Escape, which is a no.
    const focused = () => page.evaluate(() => document.activeElement?.tagName);
    for (let tabs = 0; tabs < 5 && (await focused()) !== "BUTTON"; tabs++) await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await dialog.waitFor();
    t.match(await dialog.textContent(), "Your ratings train a model. They stay with you.", "the notice's own words");
    await requireReadable(t, page, "consent-question");
    await page.keyboard.press("Escape");
    await state("refused");
    t.equal(await receipts.count(), 1);

    await page.getByRole("button", { name: "decide anew" }).click();
    await dialog.getByRole("button", { name: "Yes, I consent" }).click();
    await state("given");
    t.equal(await receipts.count(), 2);

    await page.reload();
    await state("given");
    t.pass("the browser remembers who it was");

    await page.getByRole("button", { name: "Withdraw" }).click();
    await state("withdrawn");
    await page.getByText("Your withdrawal is in the log.").waitFor();
    t.equal(await receipts.count(), 3);

    await page.getByRole("button", { name: "Show everything" }).click();
    const exported = JSON.parse((await page.locator("pre.export").textContent()) ?? "");
    const subject = await page.locator(".hash").textContent();
    t.match(exported, { population: POPULATION, subject, consents: { [PURPOSE]: { state: "withdrawn" } } });
    t.ok(JSON.parse(exported.coordinator.document), "the coordinator's part is there too");
    await picture(page, "consent-export");

    await page.getByRole("button", { name: "Erase everything" }).click();
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Erase", exact: true }).click();
    const proof = JSON.parse(readFileSync(await (await download).path(), "utf8"));
    const { entry } = await verifyReceipt(proof.erasure, { vkey: verifierKey }, nodeVerifier());
    t.match(parseEntry(entry), { type: "erasure", body: { subject } }, "the proof holds by itself");
    await page.getByText("has not been asked yet").waitFor();
    t.same(
      await page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name)),
      [],
      "nothing is left here",
    );
    t.same([...origins], [new URL(http).origin], "nothing is asked of anyone but the coordinator");
    t.same(complaints, []);

    await page.getByRole("button", { name: "Read the notice and decide" }).click();
    await dialog.getByRole("button", { name: "Yes, I consent" }).click();
    await state("given");
    await requireReadable(t, page, "consent");
  },
);

t.test("without a consent centre there is none", async (t) => {
  const config = writeConfiguration(temporaryFolder(t), {}, 0, { port: 0, corsOrigins: [] });
  const { http } = await new ServeProcess(t, config).listening();
  t.equal((await fetch(`${http}/consent/`)).status, 404);
  const page = await fetch(`${http}/dashboard/`);
  t.equal(page.status, 200);
  const policy = page.headers.get("content-security-policy") ?? "";
  t.match(policy, /default-src 'none'.*script-src 'self'.*frame-ancestors 'none'/);
  t.notMatch(policy, /unsafe|https?:|\*/, "strict");
  const [, script = ""] = /src="\.\.(\/assets\/[^"]+\.js)"/.exec(await page.text()) ?? [];
  const loaded = await fetch(`${http}${script}`);
  t.match(loaded.headers.get("cache-control"), /immutable/);
  for (const path of ["/assets/nothing.js", "/assets/..%2f..%2fpackage.json", "/dashboard/../package.json"]) {
    t.equal((await fetch(`${http}${path}`)).status, 404, path);
  }
});
