import { type Config, type ConfigEnvironment, loadConfig } from "../config/config.js";
import { storagePlaces } from "../config/storage-places.js";
import { type ArtifactReader, openArtifactReader } from "../models/artifact-reader.js";
import { type StoragePlaces, storeLocation } from "../server/storage.js";
import { openStoreReader } from "../store/location.js";
import type { StoreReader } from "../store/sqlite-reader.js";

/** What commands read that change nothing, wherever a configuration says that it lies; coordinators may be running. */
export interface Reading extends AsyncDisposable {
  readonly config: Config;
  readonly places: StoragePlaces;
  readonly store: StoreReader;
  readonly artifacts: ArtifactReader;
}

/** @throws CoordinatorError BAD_CONFIG, FILE_UNREADABLE, STORE_UNREADABLE, UNREACHABLE */
export async function openReading(path: string, environment: ConfigEnvironment): Promise<Reading> {
  const config = await loadConfig(path, environment);
  const places = await storagePlaces(config, environment);
  const store = await openStoreReader(storeLocation(places));
  try {
    const artifacts = await openArtifactReader(config);
    return {
      config,
      places,
      store,
      artifacts,
      async [Symbol.asyncDispose]() {
        await artifacts[Symbol.asyncDispose]();
        await store.close();
      },
    };
  } catch (cause) {
    await store.close();
    throw cause;
  }
}
