// A participant in a page that is hidden, busy, reloaded: it lives in its worker, and in its store.
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import t from "tap";
import { LineProcess } from "../processes/lines.js";
import { ServeProcess, temporaryFolder, writeConfiguration } from "../processes/serve.js";
import { withoutChromium } from "./chromium.js";
import { traceTasks } from "./main-thread.js";
import { ask, DEVICE, joinPage, openParticipants, servePages } from "./participants.js";

const NODE_VALUES = [1, 2, 3, 4, 5];
const PAGE_VALUE = 0.75;
const EVERYONE = NODE_VALUES.length + 1;
/** The page's rounds after its reload. */
const MEASURED_ROUNDS = 3;
const BUSY_MS = 1_500;
const LONG_TASK_MS = 50;

const PLAN = {
  rounds: 2 + MEASURED_ROUNDS,
  cohort: { target: EVERYONE, minimum: 3, overSelection: 1 },
  deadlines: { selection: "60s", report: "8s" },
  privacy: { mechanism: "none", reason: "the test compares exact numbers", clipNorm: 64, bits: 20 },
  secureAggregation: { enabled: true },
};

/** Resolves when the page has seen such an event. */
async function seen(page: Page, type: string, round: number): Promise<void> {
  await page.waitForFunction(
    ([type, round]) => {
      const { testPage } = globalThis as unknown as { testPage: { events: { type: string; round?: number }[] } };
      return testPage.events.some((event) => event.type === type && event.round === round);
    },
    [type, round] as const,
    { timeout: 0 },
  );
}

t.test(
  "rounds go on while the page's thread is blocked, and after a reload in mid-round",
  {
    skip: withoutChromium,
  },
  async (t) => {
    let close = (): void => {};
    const closed = new Promise<void>((resolve) => {
      close = resolve;
    });
    const origin = await servePages(t, { held: closed });
    const config = writeConfiguration(temporaryFolder(t), PLAN, 0, { port: 0, corsOrigins: [origin] });
    const server = new ServeProcess(t, config);
    server.line(({ round, state }) => round === 1 && state === "closed").then(close, () => {});
    const { address, http } = await server.listening();
    const script = fileURLToPath(new URL("../processes/participants.js", import.meta.url));
    const people = new LineProcess<{ event: string }>(t, [script, address, ...NODE_VALUES.map(String)]);
    const [page] = await openParticipants(t, origin, http, [{ value: PAGE_VALUE, endless: 2 }]);
    if (page === undefined) throw new Error("expected a page");

    t.test("stores in this browser", async (t) => {
      t.same(await ask(page, "storeFailures"), []);
    });

    t.test("keys of this browser: native, and sealed where WebCrypto has no Ed25519", async (t) => {
      t.same(await ask(page, "keyFailures"), []);
    });

    t.test("what this browser tells of the device", async (t) => {
      await ask(page, "follow", 100);
      t.match((await ask(page, "told")).at(-1), { inUse: false, online: true, metered: false });
      // What came true may have gone by when it is looked for: all that was told since the last thing seen counts.
      let seenUpTo = 0;
      const told = async (name: string, value: boolean): Promise<void> => {
        const found = await page.waitForFunction(
          ([name, value, from]) => {
            const { testPage } = globalThis as unknown as { testPage: { told: Record<string, unknown>[] } };
            return testPage.told.findIndex((state, i) => i >= from && state[name] === value) + 1;
          },
          [name, value, seenUpTo] as const,
          { timeout: 0 },
        );
        seenUpTo = await found.jsonValue();
      };
      await page.mouse.move(5, 5);
      await told("inUse", true);
      await told("inUse", false);
      await page.context().setOffline(true);
      await told("online", false);
      await page.context().setOffline(false);
      await told("online", true);
      t.pass("input, its end, and the network");
    });

    t.test("a second tab of the same device is told that the store is taken", async (t) => {
      const second = await page.context().newPage();
      await second.goto(origin);
      const joining = joinPage(second, http, { value: PAGE_VALUE, storeWaitMs: 50 });
      await t.rejects(joining, { message: /no other tab has open/ });
      await second.close();
    });

    t.test("a thread that does nothing but wait for the round's end does not hold the round up", async (t) => {
      await ask(page, "blockUntil", `${origin}/held`);
      void ask(page, "run").catch(() => {});
      // The coordinator closes the round, the address answers, and the page can tell what happened meanwhile.
      await seen(page, "released", 1);
      const types = (await ask(page, "events")).map(({ type }) => type);
      t.ok(types.includes("accepted"), "the update was in the sum");
    });

    t.test("a page that is reloaded while it trains goes on as the same participant", async (t) => {
      await seen(page, "training", 2);
      const before = await ask(page, "export");
      await page.reload();
      const subject = await joinPage(page, http, { value: PAGE_VALUE, busyMs: BUSY_MS });
      t.equal(subject, before.subject);
      t.same(
        (await ask(page, "receipts")).map(({ type, round }) => [type, round]),
        [
          ["consent.given", null],
          ["round", 1],
        ],
        "what it did is kept, and it is not asked again",
      );
    });

    t.test("the page stays responsive while its participant trains", async (t) => {
      const tasks = await traceTasks(page);
      await ask(page, "run");
      t.equal(await ask(page, "ended"), "in order");
      const accepted = (await ask(page, "events")).filter(({ type }) => type === "accepted");
      t.equal(accepted.length, MEASURED_ROUNDS);
      const longest = await tasks.longest();
      t.ok(
        longest.undisturbed > 0 && longest.undisturbed < LONG_TASK_MS,
        `the longest task took ${longest.undisturbed} ms`,
      );
      t.ok(
        longest.any < BUSY_MS / 2,
        `on a busy machine ${longest.any} ms: training here would be a task of ${BUSY_MS} ms`,
      );
    });

    t.test("all that counts is in the sum, once", async (t) => {
      t.equal(await people.exit(), 0, people.log);
      const others = NODE_VALUES.reduce((sum, value) => sum + value, 0);
      let model = 0;
      for (const sum of [others + PAGE_VALUE, others, ...Array(MEASURED_ROUNDS).fill(others + PAGE_VALUE)]) {
        model = Math.fround(model + sum / EVERYONE);
      }
      t.same(await ask(page, "parameters"), [model, model, model]);
      t.equal((await ask(page, "budget")).rounds, 1 + MEASURED_ROUNDS);
    });

    t.test("the key cannot be read, and the policy kept nothing from the runtime but WebAssembly", async (t) => {
      t.equal(await ask(page, "readKey", DEVICE), "InvalidAccessError");
      t.same(new Set(await ask(page, "violations")), new Set(["wasm-eval"]));
    });

    t.test("withdrawing and leaving empties the browser", async (t) => {
      await ask(page, "withdraw");
      t.equal((await ask(page, "receipts")).at(-1)?.type, "consent.withdrawn");
      await ask(page, "leave");
      await ask(page, "close");
      const left = await page.evaluate(
        (name) =>
          new Promise<number>((resolve, reject) => {
            const request = indexedDB.open(name, 1);
            request.onerror = () => reject(request.error);
            request.onsuccess = () => {
              const count = request.result.transaction("values").objectStore("values").count();
              count.onsuccess = () => resolve(count.result);
            };
          }),
        DEVICE,
      );
      t.equal(left, 0);
    });
  },
);
