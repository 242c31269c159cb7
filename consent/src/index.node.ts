export {
  generateNodeSigner,
  type NodeSigner,
  type NodeVerifier,
  nodeSigner,
  nodeVerifier,
} from "./crypto/node-crypto.node.js";
