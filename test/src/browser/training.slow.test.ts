// Training in a browser: on the compiled engine with and without WebAssembly, and with TensorFlow.js, as a content policy allows.
import { fileURLToPath } from "node:url";
import t from "tap";
import { openBrowser, openPage, withoutChromium } from "./chromium.js";
import { buildPages, STRICT_POLICY, serveFolder } from "./site.js";
import { trainCompiled } from "./training-pages/train.js";

const SOURCES = fileURLToPath(new URL("../../../src/browser/training-pages", import.meta.url));
/** The one word more that WebAssembly takes; still no eval. */
const WITH_WASM = STRICT_POLICY.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'");

interface FromPage {
  readonly engine: string;
  readonly update: readonly number[];
  readonly violations: readonly string[];
}

function gap(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return Math.hypot(...a.map((value, i) => value - (b[i] ?? 0))) / Math.hypot(...b);
}

t.test("the same model trains in a page under either policy, on each engine", { skip: withoutChromium }, async (t) => {
  const folder = t.testdir();
  await buildPages(SOURCES, folder);
  const { update: expected, engine } = await trainCompiled();
  t.equal(engine, "wasm");
  t.ok(Math.hypot(...expected) > 0.1, "training moves the model");
  const browser = await openBrowser(t);
  for (const [policy, engines, blocked] of [
    [STRICT_POLICY, { compiled: "plain", tensorflow: "cpu" }, ["wasm-eval"]],
    [WITH_WASM, { compiled: "wasm", tensorflow: "wasm" }, []],
  ] as const) {
    const page = await openPage(t, browser);
    await page.goto(await serveFolder(t, folder, policy));
    for (const [kind, engine] of Object.entries(engines)) {
      const came = await page.evaluate((kind) => {
        const { train } = globalThis as unknown as { train(kind: string): Promise<FromPage> };
        return train(kind);
      }, kind);
      t.equal(came.engine, engine, kind);
      t.ok(gap(came.update, expected) < 1e-4, `${kind}: ${gap(came.update, expected)} from what Node computes`);
      t.same(new Set(came.violations), new Set(blocked), "the policy keeps nothing from it but WebAssembly");
    }
  }
});
