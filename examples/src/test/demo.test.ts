import t from "tap";
import { block, text } from "./documents.js";
import { run, temporaryFolder, terminal } from "./surroundings.js";

/** A run's own numbers and hashes taken out. */
function shape(printed: string): string[] {
  return printed
    .replace(/(?<=root )\S+/g, "#")
    .replace(/\d[\d.]*/g, "#")
    .trim()
    .split("\n");
}

t.test(
  "the demo prints what the README shows, with fewer people and other numbers, and once more over what it left",
  async (t) => {
    const folder = temporaryFolder(t);
    for (const time of ["first", "second"]) {
      const demo = run("fedloop", ["demo", "--participants", "20"], { cwd: folder, env: terminal(folder), input: "" });
      t.teardown(() => demo.stop());
      const { code, output, errors } = await demo.ended;
      t.equal(code, 0, errors);
      const shown = shape(block(text("README.md"), "output", "demo"));
      const replaced = "What an earlier run left in fedloop-demo is replaced";
      const expected = time === "first" ? shown : [...shown.slice(0, 1), replaced, ...shown.slice(1)];
      t.strictSame(shape(`${errors}\n${output}`), expected, time);
    }
  },
);
