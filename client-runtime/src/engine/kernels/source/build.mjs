// Compiles the .as files here into ../kernel-wasm.ts; with --check it compares instead of writing and exits 1 on a
// difference. Needs the development dependency `assemblyscript`.
import { readFile, writeFile } from "node:fs/promises";
import asc from "assemblyscript/asc";

const here = new URL(".", import.meta.url);
const SOURCES = ["multiply", "pointwise", "recurrent", "pooling"];
// The compiler wants the ending .ts, which the TypeScript compiler would then claim.
const texts = new Map(
  await Promise.all(SOURCES.map(async (name) => [`${name}.ts`, await readFile(new URL(`${name}.as`, here), "utf8")])),
);
const outputs = new Map();
const { error, stderr } = await asc.main(
  [
    ...texts.keys(),
    "-o",
    "kernel.wasm",
    "-O3",
    "--converge",
    "--noAssert",
    "--runtime",
    "stub",
    "--enable",
    "simd",
    "--importMemory",
    "--disableWarning",
  ],
  {
    readFile: (name) => texts.get(name) ?? null,
    writeFile: (name, contents) => void outputs.set(name, contents),
    listFiles: () => [],
  },
);
if (error) {
  console.error(stderr.toString());
  process.exit(1);
}

const base64 = Buffer.from(outputs.get("kernel.wasm")).toString("base64");
const lines = base64.match(/.{1,110}/g).map((line) => `  "${line}",`);
const module = `// Generated from source/*.as by source/build.mjs; do not edit.

/** The compiled kernels of the training engine, base64. */
export const KERNEL_WASM: string = [
${lines.join("\n")}
].join("");
`;
const target = new URL("../kernel-wasm.ts", here);
if (process.argv.includes("--check")) {
  if ((await readFile(target, "utf8")) !== module) {
    console.error("kernel-wasm.ts is not what source/*.as compile to. Run: node build.mjs");
    process.exit(1);
  }
} else {
  await writeFile(target, module);
}
