export type { BudgetStep, PopulationReport } from "./audit/budget-audit.js";
export { type Comparison, compareBundles } from "./audit/compare.js";
export type { ConsentPoint } from "./audit/consent-timeline.js";
export { type Finding, type FindingCode, type FindingPlace, findingMeanings } from "./audit/finding.js";
export type { ParticipantStep, RecomputedEpsilon } from "./audit/participant-budgets.js";
export { parseTrust, type Trust } from "./audit/trust.js";
export {
  type VerificationOptions,
  type VerificationProgress,
  type VerificationReport,
  verifyBundle,
} from "./audit/verify.js";
export { latencyText, WithdrawalLatencies, type WithdrawalLatency } from "./audit/withdrawal-latency.js";
export { type BundleHeader, bundleFormat } from "./bundle/format.js";
export { type BundlePart, readBundle } from "./bundle/read.js";
export { type BundleContents, blobsNamedBy, type Stream, writeBundle } from "./bundle/write.js";
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
export type { AdaptiveClippingPlan } from "./entries/adaptive-clipping.js";
export { buildConsentEntry, readConsentEntry, readPolicyEntry } from "./entries/consent-entries.js";
export { buildEntry, parseEntry } from "./entries/entry.js";
export { entryBytes, entryLeaf, entryLeafHash, entryMessage, verifyEntrySignature } from "./entries/entry-bytes.js";
export { type EntryBuilder, type EntryReader, newEntryId } from "./entries/entry-forms.js";
export {
  type ConsentBody,
  type ConsentEntry,
  coordinatorActor,
  type Entry,
  type EntryBodies,
  type EntryBody,
  type EntryDraft,
  type EntryOf,
  type EntryType,
  isConsentEntry,
} from "./entries/entry-types.js";
export { decodeEvent, type EventJson, encodeEvent } from "./entries/event.js";
export {
  type ExampleLevelChoice,
  type ExampleLevelPlan,
  exampleLevelMechanism,
  exampleLevelMechanismOf,
} from "./entries/example-level.js";
export {
  type CanaryModel,
  type GivenModel,
  isInCanary,
  type ModelStage,
  type ModelStanding,
  modelGiven,
  readStageEntry,
  standingAfter,
  wholeShare,
} from "./entries/model-stage.js";
export type { NoiseRun } from "./entries/noise-run.js";
export { type Erasure, type Heartbeat, type KeyRotate, readErasureEntry } from "./entries/operations.js";
export type { PolicyPublish } from "./entries/policy-publish.js";
export type { AnalyticsRelease, BudgetDebit, ModelRelease } from "./entries/release.js";
export { type CohortMember, cohortBlob, parseCohort, type RoundClose, readCloseEntry } from "./entries/round-close.js";
export {
  isDistributed,
  type PrivacyAdjacency,
  type PrivacyUnit,
  type RoundMechanism,
  type RoundPlan,
  readPlanEntry,
  type SecureAggregationPlan,
} from "./entries/round-plan.js";
export { formatEpsilon, parseEpsilon, roundUpEpsilon, unbounded } from "./entries/scalars.js";
export {
  type DistributedChoice,
  distributedMechanismFor,
  distributedMechanismOf,
  secureParametersOf,
} from "./entries/secure-parameters.js";
export type { StalenessPlan } from "./entries/staleness.js";
export { LedgerError, type LedgerErrorCode, ledgerErrors } from "./errors.js";
export {
  canonicalBytes,
  canonicalText,
  type JsonLimits,
  type JsonValue,
  parseCanonical,
} from "./json/canonical.js";
export { formatDecimal, parseDecimal } from "./json/decimal.js";
export {
  type Checkpoint,
  type CheckpointTrust,
  checkpointText,
  type OpenedCheckpoint,
  openCheckpoint,
  parseCheckpointText,
  readUnverifiedCheckpoint,
  signCheckpoint,
} from "./log/checkpoint.js";
export { type ForkEvidence, forkRanges, formatForkEvidence, type ProvenFork, verifyForkEvidence } from "./log/fork.js";
export { emptyRoot, hashBytes, leafHash, nodeHash } from "./log/hashing.js";
export {
  cosigner,
  maxNoteSignatures,
  type NoteSignature,
  type NoteSigner,
  noteSigner,
  type OpenedNote,
  openNote,
  type ParsedNote,
  parseNote,
  signatureLine,
  signatureLineOf,
  signNote,
  type VerifiedSignature,
} from "./log/note.js";
export { type ConsistencyClaim, type InclusionClaim, verifyConsistency, verifyInclusion } from "./log/proofs.js";
export {
  formatStoredProof,
  parseStoredProof,
  type StoredProof,
  type VerifiedReceipt,
  verifyReceipt,
} from "./log/stored-proof.js";
export { TiledTree, type TileFetch, tiledEntries } from "./log/tile-reader.js";
export { newTileNames, newTiles, type TileFile, type TileSource, tileHeaders, tileOf } from "./log/tile-writer.js";
export {
  entryBundleBytes,
  maxEntryBytes,
  parseEntryBundle,
  parseTile,
  parseTilePath,
  type TileName,
  tileAt,
  tileBytes,
  tilePath,
  tileWidth,
} from "./log/tiles.js";
export { MerkleTree } from "./log/tree.js";
export {
  encodeVkey,
  isSignerName,
  keyIdText,
  type NoteAlgorithm,
  parseVkey,
  type VerifierKey,
  verifierKey,
} from "./log/verifier-key.js";
export { admitEntry, expectedKey } from "./records/admission.js";
export { EligibleTree, eligibleRoot } from "./records/eligible.js";
export { type ExportClaim, exportMessage, verifyExport } from "./records/export-receipt.js";
export { type JoinClaim, joinMessage } from "./records/join.js";
export { subjectPseudonym } from "./records/pseudonym.js";
export type { ConsentRecord, ConsentState } from "./records/record.js";
export {
  type ActorState,
  type ConsentStatus,
  type ConsentStatusState,
  type ConsentTerms,
  ConsentView,
  type PublishedPolicy,
} from "./records/view.js";
export { type ReportSettings, reportHtml } from "./report/report.js";
export {
  commitment,
  decryptPayload,
  type EncryptedPayload,
  encryptPayload,
  opensCommitment,
  type PayloadPlace,
} from "./vault/payload.js";
export {
  type BoxRecipient,
  generateRecipient,
  openSealed,
  recipientFromBytes,
  sealTo,
} from "./vault/sealed-box.js";
export { isSealedView, openView, sealView, type ViewPlace } from "./vault/sealed-view.js";
export {
  type KeyEncryptionKeys,
  memoryVaultStore,
  type Rotation,
  SubjectVault,
  type VaultStore,
  type WrappedKey,
} from "./vault/vault.js";
export {
  type CollectSettings,
  type Cosigned,
  collectCosignatures,
  httpWitness,
  type WitnessContact,
} from "./witness/collect.js";
export { type AddCheckpoint, formatAddCheckpoint, parseAddCheckpoint } from "./witness/request.js";
export {
  type Head,
  memoryWitnessStore,
  Witness,
  type WitnessResponse,
  type WitnessSettings,
  type WitnessStore,
} from "./witness/witness.js";
