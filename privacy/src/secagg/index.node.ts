export { nodeDeviceCrypto, nodeUnmaskCrypto } from "./crypto/device-crypto.node.js";
export { nodeKeyAgreement } from "./crypto/key-agreement.node.js";
export { nodeShareCipher } from "./crypto/share-cipher.node.js";
export { nodeExpander } from "./masking/expander.node.js";
export { MaskPool, type MaskPoolOptions } from "./server/mask-pool.node.js";
