export { type Config, type ConfigEnvironment, loadConfig, parseConfig } from "./config/config.js";
export {
  COORDINATOR_ERROR_CODES,
  CoordinatorError,
  type CoordinatorErrorCode,
  type CoordinatorErrorOptions,
} from "./errors.js";
export type { Appended } from "./ledger/entry-group.js";
export { type Committed, Ledger, type LedgerOptions, type LedgerTransaction, type Receipt } from "./ledger/ledger.js";
export type { SignedCheckpoint } from "./ledger/log-state.js";
export { ArtifactStore, type OpenArtifact } from "./models/artifact-store.js";
export {
  decodeSafetensors,
  encodeSafetensors,
  parameterCount,
  type SafetensorsLimits,
  shapeSize,
  type TensorFile,
  type TensorShape,
} from "./models/safetensors.js";
export { type LoadedPlan, loadPlan, parsePlan } from "./plan/load.js";
export type {
  NoiseChoice,
  PlanEvaluation,
  PlanPrivacy,
  PlanSecureAggregation,
  PopulationPlan,
  PrivacyCap,
} from "./plan/population-plan.js";
export type { Database, Store, StoreTransaction } from "./store/database.js";
export { openPostgresStore } from "./store/postgres.js";
export { committedTransactions } from "./store/postgres-statistics.js";
export { openSqliteStore } from "./store/sqlite.js";
