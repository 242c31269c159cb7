// The operator's dashboard, served by a coordinator in a process of its own that drives real rounds.
import { fileURLToPath } from "node:url";
import type { Locator, Page } from "playwright-core";
import t from "tap";
import { openBrowser, withoutChromium } from "../browser/chromium.js";
import { LineProcess } from "../processes/lines.js";
import { POPULATION, ServeProcess, temporaryFolder, writeConfiguration } from "../processes/serve.js";
import { DESKTOP, openWatched, picture, requireReadable, viewerToken } from "./pages.js";

const PLAN = {
  rounds: 3,
  deadlines: { selection: "120s", report: "20s" },
  privacy: { mechanism: "central-discrete-gaussian", clipNorm: 8, epsilon: 6, delta: 1e-5 },
  evaluation: { metric: "mean", every: 1, clipNorm: 8 },
};
const EVALUATIONS = 3;
/** The metric that devices measure; beside it stands how many examples they had. */
const chart = (page: Page): Locator => page.getByRole("figure").filter({ hasText: "mean as a table" });

t.test("the dashboard shows what the coordinator does, to who has a token", { skip: withoutChromium }, async (t) => {
  const config = writeConfiguration(temporaryFolder(t), PLAN, 0, { port: 0, corsOrigins: [] });
  const server = new ServeProcess(t, config);
  const { address, http } = await server.listening();
  const script = fileURLToPath(new URL("../processes/participants.js", import.meta.url));
  /** Three people, once the page has shown what it is like without them. */
  const arrive = () => new LineProcess<{ event: string }>(t, [script, address, "1", "2", "3"]);
  const token = viewerToken(config);
  const browser = await openBrowser(t);

  await t.test("by keyboard alone, from the token to the figures", async (t) => {
    const { page, origins, complaints } = await openWatched(t, browser, { viewport: DESKTOP, colorScheme: "light" });
    await page.goto(`${http}/`);
    await page.getByLabel("Access token").waitFor();
    t.equal(page.url(), `${http}/dashboard/`);
    await picture(page, "dashboard-login");
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute("name") ?? "");
    for (let tabs = 0; tabs < 5 && (await focused()) !== "token"; tabs++) await page.keyboard.press("Tab");
    await page.keyboard.type("not-a-token");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("not, or no longer, in force").waitFor();
    t.same(
      complaints.filter((text) => !text.includes("401")),
      [],
      "but for the refusals, the browser has nothing to complain of",
    );
    for (let tabs = 0; tabs < 5 && (await focused()) !== "token"; tabs++) await page.keyboard.press("Tab");
    await page.keyboard.type(token);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Live round" }).waitFor();
    await page.getByText("Example University").first().waitFor();
    await page.getByText("example.org/processes", { exact: true }).waitFor();
    t.same([...origins], [new URL(http).origin], "nothing is asked of anyone but the coordinator");

    await page.getByText("No round has begun.").waitFor();
    const people = arrive();
    t.equal(await people.exit(), 0, people.log);
    await page.getByText(`${PLAN.rounds + EVALUATIONS} of ${PLAN.rounds + EVALUATIONS} closed`).waitFor();
    const gauge = page.getByRole("meter", { name: "privacy budget" });
    t.ok(Number(await gauge.getAttribute("aria-valuenow")) > 5, "the budget is spent, to its last part");
    await page.locator(".alerts").getByText("BUDGET_NEARLY_SPENT").waitFor();
    await page.getByText("mean as a table").click();
    // The figures of a population and its rounds are asked for one beside the other.
    await chart(page)
      .locator("tbody tr")
      .nth(EVALUATIONS - 1)
      .waitFor();
    t.equal(await chart(page).locator("tbody tr").count(), EVALUATIONS, "each evaluation is a point of the chart");
    // Drawn a moment after the numbers are there; more than one would be refused.
    await chart(page).locator("canvas").waitFor();
    t.match(await page.getByRole("region", { name: "rounds" }).textContent(), /closed/);

    const outlines = await page.evaluate(() => {
      const focusable = [
        ...document.querySelectorAll<HTMLElement>("a, button, select, summary, input, [tabindex='0']"),
      ];
      return focusable.filter((element) => element.tabIndex < 0).length;
    });
    t.equal(outlines, 0, "everything that can be used can be reached by keyboard");
    await page.getByRole("button", { name: "Forget the token" }).click();
    await page.getByLabel("Access token").waitFor();
    t.equal(await page.evaluate(() => sessionStorage.length), 0);
  });

  await t.test("at the widths and in the themes that people have", async (t) => {
    const { page, complaints } = await openWatched(t, browser, { viewport: DESKTOP, colorScheme: "light" });
    await page.addInitScript((token) => sessionStorage.setItem("fedloop-token", token), token);
    // Witnesses cosign over the network, each in its own time: the API's test has one, this page is told of two.
    await page.route("**/api/v1/ledger", async (route) => {
      const ledger = await (await route.fetch()).json();
      const witnesses = [
        { name: "witness.example.net", verifierKey: "one", cosignedMs: Date.now() },
        { name: "witness.example.org", verifierKey: "two", cosignedMs: null },
      ];
      await route.fulfill({ json: { ...ledger, size: ledger.published.size + 2, quorum: 2, witnesses } });
    });
    // A round of many devices, held in the middle for the pictures.
    await page.route("**/api/v1/populations", async (route) => {
      const { items } = await (await route.fetch()).json();
      const live = { expected: 110, answered: 57, minimum: 80 };
      const held = { state: "masked", live, deadlineMs: Date.now() + 60_000 };
      const [{ current, rounds, budget, ...population }] = items;
      const changed = {
        ...population,
        state: "running",
        finished: null,
        current: { ...current, ...held },
        rounds: { ...rounds, byState: { closed: 5, masked: 1 } },
        budget: { ...budget, spent: "4", reserved: "5" },
      };
      const stuck = {
        ...changed,
        population: "schools",
        state: "paused",
        pause: { reason: "rounds-abandoned" },
        rounds: { planned: 40, byState: { closed: 12, abandoned: 5 } },
        budget: { ...budget, spent: "5.1" },
      };
      await route.fulfill({ json: { items: [changed, stuck] } });
    });
    await page.route("**/api/v1/alerts", async (route) => {
      const { items } = await (await route.fetch()).json();
      const message = "5 rounds in a row were abandoned, the newest for COHORT_TOO_SMALL: no other begins";
      const alert = { ...items[0], code: "POPULATION_STOPPED", severity: "critical", population: "schools", message };
      await route.fulfill({ json: { items: [...items, alert] } });
    });
    await page.goto(`${http}/dashboard/#${POPULATION}`);
    await chart(page).locator("canvas").waitFor();
    await page.getByText("live", { exact: true }).waitFor();
    await page.getByText("57 of 110 devices have answered, at least 80 must; the state ends in").waitFor();
    await page.getByText("5 of 6 closed, 0 abandoned; 1 masked").waitFor();
    t.equal(await page.locator("[aria-current='step']").textContent(), "masked");
    await page.getByText("paused after abandoned rounds", { exact: true }).waitFor();
    await page.getByText("POPULATION_STOPPED").waitFor();
    const ledger = page.getByRole("region", { name: "Ledger" });
    await ledger.getByText("2 not published").waitFor();
    await ledger.getByText("2 must cosign before anything is published").waitFor();
    await ledger.getByText(/^witness\.example\.net: cosigned /).waitFor();
    await ledger.getByText("witness.example.org: has not cosigned this head").waitFor();
    await requireReadable(t, page, "dashboard");
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.emulateMedia({ colorScheme: "light" });
    const light = await ground();
    await page.getByLabel("Theme").selectOption("dark");
    t.not(await ground(), light, "the switch goes over the system's theme");
    await page.reload();
    await chart(page).locator("canvas").waitFor();
    t.not(await ground(), light, "and is remembered");
    t.same(complaints, []);
  });
});
