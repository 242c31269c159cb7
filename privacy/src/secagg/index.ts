export { SecAggClient } from "./client/client.js";
export { type ConsistencyState, confirmSurvivors } from "./client/consistency.js";
export { advertiseKeys, type DeviceSetup, type KeysState } from "./client/keys.js";
export { type MaskedState, maskVector } from "./client/masked.js";
export { dealShares, type SharesState } from "./client/shares.js";
export { revealShares } from "./client/unmask.js";
export {
  type BrowserDeviceCryptoOptions,
  browserDeviceCrypto,
  type DeviceCrypto,
  type UnmaskCrypto,
} from "./crypto/device-crypto.js";
export { type KeyAgreement, type KeyPair, requirePublicKey } from "./crypto/key-agreement.js";
export { nobleShareCipher } from "./crypto/noble-share-cipher.js";
export { type LibsodiumAead, libsodiumShareCipher, type ShareCipher } from "./crypto/share-cipher.js";
export type { SignatureVerifier, Signer } from "./crypto/signatures.js";
export { webCryptoKeyAgreement } from "./crypto/webcrypto-key-agreement.js";
export { ENVELOPE_BYTES, SHARE_BYTES } from "./envelope.js";
export {
  ABANDON_REASONS,
  type AbandonReason,
  SECAGG_ERROR_CODES,
  SecAggError,
  type SecAggErrorCode,
} from "./errors.js";
export { completeThreshold, type GraphDegree, hararyDegree } from "./graph/degree.js";
export { type MaskGraph, maskGraph } from "./graph/graph.js";
export { type GroupSizes, splitIntoGroups } from "./graph/groups.js";
export { randomPermutation } from "./graph/permutation.js";
export type { Adversary, CompleteGraphPolicy, GraphPolicy, HararyGraphPolicy } from "./graph/policy.js";
export { type MaskAccumulator, streamBits, streamLength } from "./masking/accumulator.js";
export { maskAccumulator } from "./masking/choose-accumulator.js";
export { addMasks, type MaskExpander, type MaskStream, type SignedMask } from "./masking/expander.js";
export { centre, packedLength, packResidues, requirePacked, unpackResidues } from "./masking/packing.js";
export { plainAccumulator } from "./masking/plain-accumulator.js";
export { wasmAccumulator } from "./masking/wasm-accumulator.js";
export { webCryptoExpander } from "./masking/webcrypto-expander.js";
export type {
  KeyAdvertisement,
  MaskedVector,
  NeighbourKeys,
  NeighbourList,
  SealedShares,
  ShareDeal,
  ShareDelivery,
  SurvivorConfirmation,
  SurvivorConfirmations,
  SurvivorSet,
  UnmaskAnswer,
  UnmaskShare,
} from "./messages.js";
export { type RoundBinding, type SecAggParameters, secAggParameters } from "./parameters.js";
export type { Cohort, Member } from "./server/cohort.js";
export { ConfirmationsCollection, type MaskedSum } from "./server/consistency.js";
export { KeysCollection } from "./server/keys.js";
export { VectorsCollection } from "./server/masked.js";
export { SharesCollection } from "./server/shares.js";
export type { Abandoned, Closed, Receipt } from "./server/step.js";
export { type FalseShare, type SecureSum, UnmaskCollection } from "./server/unmask.js";
export {
  inlineUnmaskEngine,
  type PackedShares,
  type PairMasksTask,
  type SelfMaskTask,
  type UnmaskEngine,
  type UnmaskOutcome,
  type UnmaskTask,
  type UnmaskWork,
} from "./server/unmask-engine.js";
export { rebuildSecret, type Share, type Sharing, shareSecret } from "./shamir/shamir.js";
export { advertisementTranscript, survivorsTranscript } from "./transcript.js";
