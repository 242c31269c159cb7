export {
  COORDINATOR_ERROR_CODES,
  CoordinatorError,
  type CoordinatorErrorCode,
  type CoordinatorErrorOptions,
} from "./errors.js";
export type { Database, Store, StoreTransaction } from "./store/database.js";
export { openSqliteStore } from "./store/sqlite.js";
