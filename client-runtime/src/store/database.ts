// What the stores in IndexedDB have in common.

/** A request of IndexedDB as a promise. */
export function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Opens a database with one object store in it. */
export async function openDatabase(
  factory: IDBFactory,
  name: string,
  storeName: string,
  parameters: IDBObjectStoreParameters = {},
): Promise<IDBDatabase> {
  const request = factory.open(name, 1);
  request.onupgradeneeded = () => void request.result.createObjectStore(storeName, parameters);
  const database = await settled(request);
  // Whoever wants to delete or upgrade the database is not held up.
  database.onversionchange = () => database.close();
  return database;
}

/** Resolves when a transaction is on disk. */
export function committed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}
