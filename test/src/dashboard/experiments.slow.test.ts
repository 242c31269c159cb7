// Experiments on the dashboard: devices answer under secure aggregation, the page shows what the sums say.
import { memoryStore, Participant } from "@fedloop/client-runtime";
import { analyticsTrainer } from "@fedloop/client-runtime/analytics";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import t, { type Test } from "tap";
import { openBrowser, withoutChromium } from "../browser/chromium.js";
import { briskClock } from "../processes/brisk-clock.js";
import { POPULATION, PURPOSE, ServeProcess, temporaryFolder, writeConfiguration } from "../processes/serve.js";
import { DESKTOP, openWatched, requireReadable, viewerToken } from "./pages.js";

const PEOPLE = 6;

/** Little noise, so that few people are enough. */
const PLAN = {
  model: undefined,
  trainer: undefined,
  rounds: undefined,
  cohort: { target: PEOPLE, minimum: PEOPLE - 1, overSelection: 1 },
  policy: { epsilon: 1_000, delta: 1e-5 },
  privacy: { mechanism: "distributed-discrete-gaussian", noiseMultiplier: 0.05 },
  secureAggregation: { enabled: true },
  analytics: {
    queries: [
      { name: "active", ask: { kind: "count", table: "messages", minimumDevices: 1 } },
      {
        name: "wording",
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
    ],
  },
};

/** Half of the people are in each arm; in "long" all answer, in "short" nobody. */
async function takePart(t: Test, address: string): Promise<void> {
  const transport = grpcTransport({ address });
  t.teardown(() => transport.close());
  const verifier = nodeVerifier();
  const people = Array.from({ length: PEOPLE }, async (_, i) => {
    const participant = await Participant.join({
      population: POPULATION,
      transport,
      store: memoryStore(),
      signer: generateNodeSigner(),
      verifier,
      trainer: analyticsTrainer({
        tables: { messages: [{ arm: i % 2 === 0 ? "short" : "long", answered: i % 2 === 1 }] },
      }),
      floors: { minimumNoiseMultiplier: 0, maximumEpsilonPerRound: 1e6, maximumEpsilon: 1e6, minimumCohort: 1 },
      secureAggregation: nodeDeviceCrypto({ random: systemRandom(), verifier }),
      consent: {
        purposes: [PURPOSE],
        decide: () => true,
        dataCategories: ["lecture ratings"],
        storage: "on the device",
        retention: "until withdrawn",
        jurisdiction: "CH",
        withdrawal: "in the app",
        interface: "test",
      },
      clock: briskClock,
    });
    for await (const _event of participant.run());
  });
  await Promise.all(people);
}

t.test(
  "an experiment is shown with its arms, its difference and its interval",
  { skip: withoutChromium },
  async (t) => {
    const config = writeConfiguration(temporaryFolder(t), PLAN, 0, { port: 0, corsOrigins: [] });
    const server = new ServeProcess(t, config);
    const { address, http } = await server.listening();
    const token = viewerToken(config);
    await takePart(t, address);
    const { page, complaints } = await openWatched(t, await openBrowser(t), {
      viewport: DESKTOP,
      colorScheme: "light",
    });
    await page.addInitScript((token) => sessionStorage.setItem("fedloop-token", token), token);
    await page.goto(`${http}/dashboard/`);
    const experiments = page.getByRole("article").filter({ has: page.getByRole("heading", { name: "Experiments" }) });
    await experiments.getByText("wording").waitFor();
    t.match(
      await experiments.textContent(),
      /short: mean .* of about .*long: mean .*long less short: [\d.]+ \(.* … .*\)/,
    );
    const queries = page.getByRole("article").filter({ has: page.getByRole("heading", { name: "Queries" }) });
    t.match(await queries.textContent(), /active \(count\), round \d, 6 devices/);
    t.notMatch(await queries.textContent(), /wording/, "an experiment is not told twice");
    await requireReadable(t, page, "experiments");
    t.same(complaints, []);
  },
);
