// Compiles the .as files here into ../kernel-wasm.ts; with --check it compares instead of writing.
import { compileKernel } from "../../../../../tools/compile-kernel.mjs";

await compileKernel({
  sources: ["multiply", "pointwise", "recurrent", "pooling"].map((name) => new URL(`${name}.as`, import.meta.url)),
  target: new URL("../kernel-wasm.ts", import.meta.url),
  from: "source/*.as by source/build.mjs",
  content: "The compiled kernels of the training engine",
  options: ["--disableWarning"],
});
