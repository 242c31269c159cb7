export {
  generateNodeSigner,
  type NodeSigner,
  type NodeVerifier,
  nodeSigner,
  nodeVerifier,
} from "./crypto/node-crypto.node.js";
export { type VerifierPool, verifierPool } from "./crypto/verify-pool.node.js";
export { type DurableFiles, durableFiles, TileFolder } from "./log/tile-folder.node.js";
export { fileWitnessStore } from "./witness/store.node.js";
