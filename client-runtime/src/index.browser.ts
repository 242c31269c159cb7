export {
  type BrowserSignerOptions,
  browserSigner,
  deleteBrowserSigner,
  type PlainEd25519,
} from "./identity/browser-signer.js";
export {
  type BrowserConditionsOptions,
  type BrowserSurroundings,
  browserConditions,
} from "./scheduling/browser-conditions.js";
export { deleteIndexedDbStore, type IndexedDbStoreOptions, indexedDbStore } from "./store/indexeddb.js";
export { type IndexedDbWriteAheadOptions, indexedDbWriteAhead } from "./store/indexeddb-write-ahead.js";
export type { TabLockOptions } from "./store/tab-lock.js";
