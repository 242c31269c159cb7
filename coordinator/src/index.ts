export {
  COORDINATOR_ERROR_CODES,
  CoordinatorError,
  type CoordinatorErrorCode,
  type CoordinatorErrorOptions,
} from "./errors.js";
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
export type { Database, Store, StoreTransaction } from "./store/database.js";
export { openSqliteStore } from "./store/sqlite.js";
