// Compiles kernel.as into kernel-wasm.ts; with --check it compares instead of writing and exits 1 on a difference.
// Needs the development dependency `assemblyscript`.
import { readFile, writeFile } from "node:fs/promises";
import asc from "assemblyscript/asc";

const here = new URL(".", import.meta.url);
const source = await readFile(new URL("kernel.as", here), "utf8");
const outputs = new Map();
const { error, stderr } = await asc.main(
  [
    "kernel.ts",
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
  ],
  {
    // The compiler wants the ending .ts, which the TypeScript compiler would then claim.
    readFile: (name) => (name === "kernel.ts" ? source : null),
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
const module = `// Generated from kernel.as by build.mjs; do not edit.

/** The compiled masking kernel, base64. */
export const KERNEL_WASM: string = [
${lines.join("\n")}
].join("");
`;
const target = new URL("../kernel-wasm.ts", here);
if (process.argv.includes("--check")) {
  if ((await readFile(target, "utf8")) !== module) {
    console.error("kernel-wasm.ts is not what kernel.as compiles to. Run: node build.mjs");
    process.exit(1);
  }
} else {
  await writeFile(target, module);
}
