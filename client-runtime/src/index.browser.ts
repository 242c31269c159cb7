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
