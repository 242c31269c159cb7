export { equalBytes } from "./crypto/bytes.js";
export {
  isSoundPublicKey,
  isSoundSignature,
  publicKeyBytes,
  type SignatureVerifier,
  type Signer,
  signatureBytes,
} from "./crypto/ed25519.js";
export {
  decodeBase64,
  decodeBase64Url,
  decodeUtf8,
  encodeBase64,
  encodeBase64Url,
  encodeUtf8,
} from "./crypto/encoding.js";
export { hmacSha256, sha256, sha256Text } from "./crypto/hash.js";
export {
  generateWebCryptoSigner,
  type WebCryptoSigner,
  webCryptoSigner,
  webCryptoSignerFromSeed,
  webCryptoVerifier,
} from "./crypto/web.js";
export { LedgerError, type LedgerErrorCode, ledgerErrors } from "./errors.js";
export {
  canonicalBytes,
  canonicalText,
  type JsonLimits,
  type JsonValue,
  parseCanonical,
} from "./json/canonical.js";
export { formatDecimal, parseDecimal } from "./json/decimal.js";
