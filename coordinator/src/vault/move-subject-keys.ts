import type { Store } from "../store/database.js";
import type { Vault } from "./vault.js";

/** Moves subject keys that an earlier version kept in the database into the vault. Interrupted, it goes on next time. */
export async function moveSubjectKeys(store: Store, vault: Pick<Vault, "subjects">): Promise<void> {
  const rows = await store.db.selectFrom("subject_keys").selectAll().execute();
  if (rows.length === 0) return;
  for (const { device_id, subject_key } of rows) {
    await vault.subjects.adopt(Buffer.from(device_id).toString("base64url"), new Uint8Array(subject_key));
  }
  await store.db.deleteFrom("subject_keys").execute();
  await store.scrub();
}
