export { nodeSha256 } from "./hashing/sha256.node.js";
export { type FileSignerOptions, fileSigner } from "./identity/file-signer.node.js";
export { fileStore } from "./store/file.node.js";
export { parentThread, threadPort } from "./worker/threads.node.js";
