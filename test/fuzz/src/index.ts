export { Broken, type Fuzzed, fixed, same, utf8 } from "./corpus.js";
export { fuzz, runTable } from "./decoder.js";
export { below, type Draw, mutateBytes, mutateJson, mutateText, one } from "./mutation.js";
