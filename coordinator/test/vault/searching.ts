import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** The files below a folder that hold the bytes somewhere: as they are, in base64, base64url or hexadecimal. */
export function filesHolding(folder: string, needle: Uint8Array): string[] {
  const bytes = Buffer.from(needle);
  const spellings = [
    bytes,
    Buffer.from(bytes.toString("base64url")),
    Buffer.from(bytes.toString("base64").replace(/=+$/, "")),
    Buffer.from(bytes.toString("hex")),
  ];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => {
      const held = readFileSync(path);
      return spellings.some((spelling) => held.includes(spelling));
    })
    .map((path) => relative(folder, path));
}
