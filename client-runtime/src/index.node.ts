export { nodeSha256 } from "./hashing/sha256.node.js";
export { fileStore } from "./store/file.node.js";
