import { copyFile, open, rename } from "node:fs/promises";

/** Moves a file, also to a folder on another disk; it is whole and durable once it has its new name. */
export async function moveFile(from: string, to: string): Promise<void> {
  await copyFile(from, `${to}.restoring`);
  const file = await open(`${to}.restoring`, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${to}.restoring`, to);
}

/** Makes the names in folders durable. */
export async function syncFolders(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}
