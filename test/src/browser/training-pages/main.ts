// A page that trains when its test asks.
import { trainTensorflow } from "./tensorflow.js";
import { trainCompiled } from "./train.js";

const violations: string[] = [];
addEventListener("securitypolicyviolation", ({ blockedURI }) => violations.push(blockedURI));

Object.assign(globalThis, {
  train: async (kind: "compiled" | "tensorflow") => ({
    ...(await (kind === "compiled" ? trainCompiled() : trainTensorflow())),
    violations,
  }),
});
