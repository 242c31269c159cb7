// Compiles kernel.as into ../kernel-wasm.ts; with --check it compares instead of writing.
import { compileKernel } from "../../../../../tools/compile-kernel.mjs";

await compileKernel({
  sources: [new URL("kernel.as", import.meta.url)],
  target: new URL("../kernel-wasm.ts", import.meta.url),
  from: "kernel.as by build.mjs",
  content: "The compiled masking kernel",
});
