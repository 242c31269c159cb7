// Analytics on the dashboard: devices answer under secure aggregation, the pages show what the sums say, and no more.
import { memoryStore, Participant } from "@fedloop/client-runtime";
import { analyticsTrainer } from "@fedloop/client-runtime/analytics";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import t, { type Test } from "tap";
import { openBrowser, withoutChromium } from "../browser/chromium.js";
import { briskClock } from "../processes/brisk-clock.js";
import { POPULATION, ServeProcess, temporaryFolder, writeConfiguration } from "../processes/serve.js";
import { WILLING } from "../processes/willing.js";
import { DESKTOP, openWatched, requireReadable, viewerToken } from "./pages.js";

const PEOPLE = 8;

/** Little noise, so that few people are enough. */
const PLAN = {
  model: undefined,
  trainer: undefined,
  rounds: undefined,
  cohort: { target: PEOPLE, minimum: PEOPLE - 1, overSelection: 1 },
  policy: { epsilon: 1_000, delta: 1e-5 },
  privacy: { mechanism: "distributed-discrete-gaussian", noiseMultiplier: 0.07 },
  secureAggregation: { enabled: true },
  analytics: {
    queries: [
      { name: "active", ask: { kind: "count", table: "messages", minimumDevices: 1 } },
      {
        name: "wording",
        times: 2,
        ask: {
          kind: "experiment",
          table: "messages",
          arm: "arm",
          arms: ["short", "long"],
          value: { of: "sum", column: "answered" },
          lower: 0,
          upper: 1,
          minimumDevices: 1,
        },
      },
      {
        name: "return",
        ask: {
          kind: "ratio",
          table: "activity",
          among: { tenure: { atLeast: 7 } },
          parts: { "day-1": { day: 1 }, "day-7": { day: 7 } },
          minimumDevices: 3,
        },
      },
      {
        name: "length",
        times: 2,
        ask: {
          kind: "histogram",
          table: "sessions",
          value: { of: "mean", column: "minutes" },
          edges: [0, 5, 20],
          minimumDevices: 3,
        },
      },
    ],
  },
};

/** Queries of the plan, each asked once before any is asked again. */
const QUERIES = 4;

/**
 * Half of the people are in each arm; in "long" all answer, in "short" nobody. Half of each arm get their message when the
 * queries have been asked once. All came back on the day after joining, none later.
 */
async function takePart(t: Test, address: string): Promise<void> {
  const transport = grpcTransport({ address });
  t.teardown(() => transport.close());
  const verifier = nodeVerifier();
  const people = Array.from({ length: PEOPLE }, async (_, i) => {
    let answered = 0;
    const own = [{ arm: i % 2 === 0 ? "short" : "long", answered: i % 2 === 1 }];
    const participant = await Participant.join({
      population: POPULATION,
      transport,
      store: memoryStore(),
      signer: generateNodeSigner(),
      verifier,
      trainer: analyticsTrainer({
        tables: {
          messages: () => (i < PEOPLE / 2 || answered >= QUERIES ? own : []),
          activity: [0, 1].map((day) => ({ day, tenure: 7 })),
          sessions: [{ minutes: 10 }],
        },
      }),
      floors: { minimumNoiseMultiplier: 0, maximumEpsilonPerRound: 1e6, maximumEpsilon: 1e6, minimumCohort: 1 },
      secureAggregation: nodeDeviceCrypto({ random: systemRandom(), verifier }),
      consent: WILLING,
      clock: briskClock,
    });
    for await (const event of participant.run()) if (event.type === "accepted") answered += 1;
  });
  await Promise.all(people);
}

t.test(
  "experiments, releases, retention and drift are shown with their noise, their cost and their place in the journal",
  { skip: withoutChromium },
  async (t) => {
    const config = writeConfiguration(temporaryFolder(t), PLAN, 0, { port: 0, corsOrigins: [] });
    const server = new ServeProcess(t, config);
    const { address, http } = await server.listening();
    const token = viewerToken(config);
    await takePart(t, address);
    const { page, origins, complaints } = await openWatched(t, await openBrowser(t), {
      viewport: DESKTOP,
      colorScheme: "light",
    });
    await page.addInitScript((token) => sessionStorage.setItem("fedloop-token", token), token);
    await page.goto(`${http}/dashboard/`);
    const views = page.getByRole("navigation", { name: POPULATION });
    /** Goes to a view by keyboard. */
    const open = async (name: string): Promise<void> => {
      await views.getByRole("link", { name }).press("Enter");
      await views.locator("[aria-current=page]").getByText(name).waitFor();
    };
    const card = (name: string) => page.getByRole("article").filter({ has: page.getByRole("heading", { name }) });

    await open("Experiments");
    await card("wording").waitFor();
    const arms = page.getByRole("region", { name: "arms of wording" });
    t.match(await arms.textContent(), /short.*long/);
    const effect = page.getByRole("region", { name: "long less short", exact: true });
    t.match(await effect.textContent(), /at any look.* … .*one planned look.* … .*Bayesian.* … .*better with/);
    t.match(
      await card("wording").textContent(),
      /% of its variance is noise.*Sample ratio: p|Sample ratio: p.*% of its variance is noise/,
    );
    const looks = page.getByRole("region", { name: "long less short, look by look" });
    t.match(await looks.textContent(), /1[-\d.]+[-−∞\d. …]+2[-\d.]+/);
    t.equal(await looks.locator("tbody tr").count(), 2, "the boundary after each look");
    await page.getByText("What it would take").click();
    const needs = page.getByRole("region", { name: "what wording would take" });
    t.equal(await needs.locator("tbody tr").count(), 4);
    await requireReadable(t, page, "experiments");

    await page.setViewportSize(DESKTOP);
    await open("Releases");
    await card("active").waitFor();
    t.match(await page.getByRole("region", { name: "ε by release" }).textContent(), /length, time 2.*active, time 1/);
    t.match(
      await page.getByRole("region", { name: "length, time 2" }).textContent(),
      /0–5withheld: fewer than 3 devices5–20[\d.]+/,
      "a cell of too few is shown as such",
    );
    const note = card("active").locator("details.journal");
    t.match(await note.textContent(), /Journal entry \d+, computed again just now: the same/);
    await note.locator("summary").press("Enter");
    await note.getByText(`fedloop journal --population ${POPULATION}`).waitFor();
    await requireReadable(t, page, "releases");

    await page.setViewportSize(DESKTOP);
    await open("Retention");
    const curve = page.getByRole("region", { name: "return, time 1" });
    await curve.waitFor();
    t.match(await curve.textContent(), /day.*1[\d.]+ %.* … .*7[-\d.]+ %/);
    // Drawn a moment after the numbers are there; more than one would be refused.
    await card("return").locator("canvas").waitFor();
    await requireReadable(t, page, "retention");

    await page.setViewportSize(DESKTOP);
    await open("Drift");
    await card("length").waitFor();
    t.match(await card("length").textContent(), /too noisy to tell.*it takes about 20 devices a turn.*2 against 1/);
    await page
      .getByRole("region", { name: "length, bin by bin" })
      .getByText("withheld: fewer than 3")
      .first()
      .waitFor();
    await requireReadable(t, page, "drift");

    await page.setViewportSize(DESKTOP);
    await page.getByRole("link", { name: "Rounds and models" }).press("Enter");
    await page.getByText("No evaluation has been released.").waitFor();
    t.same([...origins], [new URL(http).origin], "nothing is asked of anyone but the coordinator");
    t.same(complaints, []);
  },
);
