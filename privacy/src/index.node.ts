export { aesCtrRandom } from "./random/aesCtr.node.js";
