import { existsSync } from "node:fs";
import { join } from "node:path";
import { CoordinatorError } from "../errors.js";
import type { PostgresVaultStore } from "./postgres-vault-store.js";
import { SqliteVaultStore } from "./sqlite-vault-store.js";

/**
 * Moves the subject keys of one process's vault into the database that several are to share, as they are wrapped. A vault
 * that is there already stays as it is.
 *
 * @returns how many were moved
 * @throws CoordinatorError WRONG_STATE when the vault is under more than one key-encryption key
 */
export async function moveVault(vaultDir: string, to: PostgresVaultStore): Promise<number> {
  const path = join(vaultDir, "vault.sqlite");
  if (!existsSync(path) || (await to.currentKek()) !== undefined) return 0;
  const from = SqliteVaultStore.open(path);
  try {
    const current = from.currentKek();
    if (current === undefined) return 0;
    if (from.counts().size > 1) {
      throw new CoordinatorError(
        "WRONG_STATE",
        "expected a vault under one key-encryption key, a rotation was interrupted; complete it with fedloop vault rotate-key, then restore",
      );
    }
    await to.turnTo(current);
    let moved = 0;
    for await (const subjectId of from.list()) {
      const wrap = await from.get(subjectId);
      if (wrap !== undefined && (await to.put(subjectId, wrap, undefined))) moved += 1;
    }
    return moved;
  } finally {
    from.close();
  }
}
