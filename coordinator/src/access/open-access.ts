import { type StoragePlaces, storeLocation } from "../server/storage.js";
import { type AccessStore, accessStorePath, openAccessStore } from "./access-store.js";

/**
 * Opens the access store that belongs to a coordinator's storage: a file beside an embedded database, a schema inside of a
 * shared one.
 *
 * @throws CoordinatorError STORE_UNREADABLE
 */
export async function openAccess(places: StoragePlaces): Promise<AccessStore> {
  const location = storeLocation(places);
  if (location.type === "sqlite") return openAccessStore(accessStorePath(places.dataDir));
  const { openSharedAccessStore } = await import("./shared-access-store.js");
  return openSharedAccessStore(location.url);
}
