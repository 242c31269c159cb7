// Compiles AssemblyScript into a module that holds the WebAssembly as base64. Needs the development dependency `assemblyscript`.
import { readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const OPTIONS = ["-O3", "--converge", "--noAssert", "--runtime", "stub", "--enable", "simd", "--importMemory"];

/** Ends the process with 1 and says why. */
function fail(message) {
  console.error(message);
  process.exit(1);
}

/** The compiler wants the ending .ts, which the TypeScript compiler would then claim: sources here end in .as. */
async function readSources(sources) {
  return new Map(
    await Promise.all(
      sources.map(async (source) => [`${basename(source.pathname, ".as")}.ts`, await readFile(source, "utf8")]),
    ),
  );
}

/**
 * Compiles `sources` (URLs of .as files) into the module `target`; with --check on the command line it compares instead of
 * writing, and ends with 1 on a difference.
 *
 * @param from what the module is generated from, and by what, for its first line
 * @param content what the compiled kernel is, for its docstring
 * @param options more of the compiler's
 */
export async function compileKernel({ sources, target, from, content, options = [] }) {
  const texts = await readSources(sources);
  const outputs = new Map();
  const { error, stderr } = await asc.main([...texts.keys(), "-o", "kernel.wasm", ...OPTIONS, ...options], {
    readFile: (name) => texts.get(name) ?? null,
    writeFile: (name, contents) => void outputs.set(name, contents),
    listFiles: () => [],
  });
  if (error) fail(stderr.toString());
  const lines = Buffer.from(outputs.get("kernel.wasm"))
    .toString("base64")
    .match(/.{1,110}/g);
  const module = `// Generated from ${from}; do not edit.

/** ${content}, base64. */
export const KERNEL_WASM: string = [
${lines.map((line) => `  "${line}",`).join("\n")}
].join("");
`;
  if (!process.argv.includes("--check")) await writeFile(target, module);
  else if ((await readFile(target, "utf8")) !== module) {
    fail(`${fileURLToPath(target)} is not what its sources compile to. Run: node ${process.argv[1]}`);
  }
}
