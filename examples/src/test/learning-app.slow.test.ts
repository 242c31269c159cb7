// The whole story in headless Chromium: consent, capture, a model from a federation of dozens, a message, a test of two texts, a
// report; and that nothing of what anybody did has left a page.
import { readFileSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { buildPages, openBrowser, openPage, STRICT_POLICY, serveFolder, withoutChromium } from "@fedloop/test/browser";
import type { Browser, Page, Request } from "playwright-core";
import t, { type Test } from "tap";
import { publish } from "../../learning-app/publish.js";
import { environment, repository, run, temporaryFolder } from "./surroundings.js";

const app = join(repository, "examples", "learning-app");
const SIMULATED = 24;
const PATIENCE_MS = 240_000;
/** What every question's name begins with; events and their texts stay in the page. */
const MARKER = "private-question-";

/** The ways in which the marker could be written: as it is, in hexadecimal, and in base64 at each place within three bytes. */
function traces(text: string): Buffer[] {
  const shifted = [0, 1, 2].map((shift) => {
    const base64 = Buffer.from("x".repeat(shift) + text).toString("base64");
    return Buffer.from(base64.slice(Math.ceil((shift * 4) / 3) + 1, -4));
  });
  const wide = Buffer.from(text, "utf16le");
  return [Buffer.from(text), wide, Buffer.from(Buffer.from(text).toString("hex")), ...shifted];
}

function isIn(hay: Buffer, text: string): boolean {
  return traces(text).some((needle) => hay.includes(needle));
}

/** An address of the coordinator that keeps every byte that is sent to it. */
async function gateway(t: Test, coordinator: string): Promise<{ readonly address: string; bytes(): Buffer }> {
  const sent: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(new URL(coordinator).port), "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (bytes) => sent.push(Buffer.from(bytes)));
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  // A TCP server's address is never a path.
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bytes: () => Buffer.concat(sent) };
}

/** All that a page asks of anybody. */
function record(page: Page): { readonly requests: Request[]; bytes(): Buffer } {
  const requests: Request[] = [];
  page.context().on("request", (request) => requests.push(request));
  return {
    requests,
    bytes: () =>
      Buffer.concat(
        requests.flatMap((request) => [
          Buffer.from(`${request.method()} ${request.url()} ${JSON.stringify(request.headers())}\n`),
          request.postDataBuffer() ?? Buffer.alloc(0),
        ]),
      ),
  };
}

async function status(page: Page, text: string): Promise<void> {
  const reached = page.waitForFunction((wanted) => document.getElementById("status")?.textContent === wanted, text, {
    timeout: PATIENCE_MS,
  });
  await reached.catch(async (cause: unknown) => {
    throw new Error(`expected the status "${text}", came "${await page.textContent("#status")}"`, { cause });
  });
}

/** A time of the day, so many minutes from now. */
function time(minutes: number): string {
  return new Date(Date.now() + minutes * 60_000).toTimeString().slice(0, 5);
}

/** A profile of its own, with patience for a busy machine. */
async function visitor(t: Test, browser: Browser): Promise<Page> {
  const page = await openPage(t, browser);
  page.setDefaultTimeout(PATIENCE_MS);
  return page;
}

/** Keys of the page's event store. Runs in the page. */
async function storedKeys(): Promise<string[]> {
  const request = indexedDB.open("learning-events");
  await new Promise((resolve) => {
    request.onsuccess = resolve;
  });
  const all = request.result.transaction("values").objectStore("values").getAllKeys();
  await new Promise((resolve) => {
    all.onsuccess = resolve;
  });
  request.result.close();
  return all.result.map(String);
}

/** Resolves when so many events of a purpose are on disk. */
async function written(page: Page, purpose: string, events: number): Promise<void> {
  for (;;) {
    const keys = (await page.evaluate(storedKeys)).filter((key) => key.startsWith(`events/${purpose}/`));
    if (keys.some((key) => key.split(".").at(-2) === String(events))) return;
  }
}

async function consented(page: Page, url: string): Promise<void> {
  await page.goto(url);
  for (const purpose of ["mastery", "course-quality"]) {
    await page.waitForFunction((wanted) => document.getElementById("asked")?.textContent?.includes(wanted), purpose);
    await page.click("#yes");
  }
  await status(page, "ready");
}

t.test(
  "from consent to a measured effect, and nothing that anybody did leaves a page",
  { skip: withoutChromium },
  async (t) => {
    const folder = temporaryFolder(t);
    const pages = join(folder, "pages");
    await buildPages(app, pages);
    const publisherKey = await publish(pages);
    const origin = await serveFolder(t, pages, STRICT_POLICY);
    const plans = ["mastery.yaml", "quality.yaml"].map((name) => join(app, name));
    const config = join(folder, "fedloop.yaml");
    const http = { port: 0, corsOrigins: [origin] };
    writeFileSync(config, JSON.stringify({ origin: "example.org/learners", http, plans }));
    const env = environment(folder);
    const coordinator = run("fedloop", ["--config", config, "serve"], { cwd: folder, env });
    t.teardown(() => coordinator.stop());
    await coordinator.address;
    const open = { from: time(-240), to: time(-180) };
    const base = await coordinator.http;
    const gateways = await Promise.all(Array.from({ length: SIMULATED }, () => gateway(t, base)));
    const addresses = gateways.map(({ address }) => address);
    const course = { coordinator: addresses.at(-1), gateways: addresses, publisherKey, quietHours: open };
    writeFileSync(join(pages, "config.json"), JSON.stringify(course));
    const quiet = { ...course, quietHours: { from: time(-60), to: time(120) } };
    writeFileSync(join(pages, "quiet.json"), JSON.stringify(quiet));

    const browser = await openBrowser(t);
    const [page, crowd] = [await visitor(t, browser), await visitor(t, browser)];
    const [own, others] = [record(page), record(crowd)];
    await crowd.goto(`${origin}/?people=${SIMULATED - 1}`);
    await consented(page, origin);
    t.match(await page.textContent("#kept"), "0 for mastery, 0 for course-quality");
    for (const id of ["right", "wrong", "right", "right", "wrong", "right", "right", "wrong"])
      await page.click(`#${id}`);
    t.match(await page.textContent("#kept"), "8 for mastery, 8 for course-quality");
    t.equal(await page.locator("fedloop-toast").count(), 0, "no model has been released yet");

    await Promise.all([status(page, "trained"), status(crowd, "trained")]);
    await page.click("#wrong");
    const toast = page.locator("fedloop-toast");
    t.match(await toast.locator("section").textContent(), /9 answers\.|9 answers you are about to get it/);
    await toast.getByText("Open", { exact: true }).click();
    for (let n = 0; n < 3; n++) await page.click("#wrong");
    t.equal(await toast.count(), 0, "one message in a session");

    await Promise.all([page.click("#report"), crowd.click("#report")]);
    await Promise.all([status(page, "reported"), status(crowd, "reported")]);
    t.match(await page.textContent("#budget"), /ε [1-4]\.\d\d for mastery, ε [1-4]\.\d\d for course-quality/);

    await t.test("the team sees sums with noise, an effect with an interval, and what it cost", async (t) => {
      const shown = await run("fedloop", ["--config", config, "experiments", "show", "encouragement", "--json"], {
        cwd: folder,
        env,
      }).ended;
      t.equal(shown.code, 0, shown.errors);
      const [experiment] = JSON.parse(shown.output).experiments;
      // With so few people the noise can leave no analysis to be made, which is then said.
      t.comment(
        `warm less plain: ${JSON.stringify(experiment.analyses[0].analysis?.difference ?? "drowned in noise")}`,
      );
      t.equal(experiment.sampleRatio.isMismatch, false);
      const answers = await run("fedloop", ["--config", config, "analytics", "show", "right-answers", "--json"], {
        cwd: folder,
        env,
      }).ended;
      const [answer] = JSON.parse(answers.output).answers;
      t.match(answer, { kind: "mean", members: SIMULATED });
      const [{ noiseVariance, interval }] = answer.results;
      t.ok(noiseVariance > 0 && interval[0] < interval[1], "a number with its noise and its interval");
      t.comment(`right answers: ${JSON.stringify(answer)}`);
      const told = await run("fedloop", ["--config", config, "status", "--json"], { cwd: folder, env }).ended;
      t.match(told.output, "learners-mastery");
      t.notOk(isIn(Buffer.from(shown.output + answers.output + told.output), MARKER));
    });

    await t.test("an opt-out is final, and quiet hours are quiet", async (t) => {
      /** Somebody who has been right three times is wrong. @returns messages on the screen then */
      const stumbles = async (page: Page): Promise<number> => {
        for (const id of ["right", "right", "right", "wrong"]) await page.click(`#${id}`);
        return page.locator("fedloop-toast").count();
      };
      const [control, out, night] = [await visitor(t, browser), await visitor(t, browser), await visitor(t, browser)];
      const late = [record(control), record(out), record(night)];
      await consented(control, origin);
      await status(control, "trained");
      t.equal(await stumbles(control), 1, "without either there is a message");
      await consented(out, origin);
      await status(out, "trained");
      await out.click("#opt-out");
      await status(out, "no more messages");
      t.equal(await stumbles(out), 0);
      await written(out, "mastery", 4);
      await out.reload();
      await status(out, "trained");
      t.match(await out.textContent("#kept"), "4 for mastery", "the log is still there");
      t.equal(await stumbles(out), 0);
      await consented(night, `${origin}/?config=quiet.json`);
      await status(night, "trained");
      t.equal(await stumbles(night), 0);
      for (const { bytes } of late) t.notOk(isIn(bytes(), MARKER));
    });

    await t.test("a withdrawal deletes what was captured for that purpose", async (t) => {
      await page.click("#withdraw");
      await status(page, "withdrawn from mastery");
      t.match(await page.textContent("#kept"), "0 for mastery, 12 for course-quality");
      const kept = await page.evaluate(storedKeys);
      t.same(
        kept.filter((key) => key.startsWith("events/mastery/")),
        [],
      );
      t.ok(kept.some((key) => key.startsWith("events/course-quality/")));
    });

    await t.test("the recorded traffic holds no raw event", async (t) => {
      const held = Buffer.concat([
        Buffer.from("\0"),
        Buffer.from(JSON.stringify([[0, 0, "answer.given", { question: `${MARKER}1` }]])),
      ]);
      for (const control of [held, Buffer.from(held.toString("base64")), Buffer.from(held.toString("hex"))]) {
        t.ok(isIn(control, MARKER), "the search finds it where it is");
      }
      const recorded = [own.bytes(), others.bytes(), ...gateways.map(({ bytes }) => bytes())];
      for (const sent of recorded) {
        t.ok(sent.includes("fedloop.v1.Rounds/SubmitMasked"), `masked sums are in ${sent.length} bytes`);
        for (const text of [MARKER, "answer.given", "larger-fraction"]) t.notOk(isIn(sent, text), text);
      }
      const spokenTo = new Set(
        [own, others].flatMap(({ requests }) => requests.map((request) => new URL(request.url()).origin)),
      );
      t.same(
        [...spokenTo].filter((host) => host !== origin && !addresses.includes(host)),
        [],
        "nobody else",
      );
      for (const file of await readdir(join(folder, "fedloop-data"), { recursive: true, withFileTypes: true })) {
        if (!file.isFile()) continue;
        t.notOk(isIn(readFileSync(join(file.parentPath, file.name)), MARKER), `${file.name} of the coordinator`);
      }
    });
  },
);
