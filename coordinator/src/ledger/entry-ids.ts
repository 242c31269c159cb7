import { randomFillSync } from "node:crypto";

const ID_BYTES = 16;
/** Drawn at a time: a call to the platform's source costs as much as hashing an entry. */
const IDS_A_DRAW = 256;

/** A source of entry ids: 16 bytes from the platform's random source each, base64url. */
export function entryIds(): () => string {
  const pool = Buffer.alloc(ID_BYTES * IDS_A_DRAW);
  let at = pool.length;
  return () => {
    if (at === pool.length) {
      randomFillSync(pool);
      at = 0;
    }
    const id = pool.toString("base64url", at, at + ID_BYTES);
    at += ID_BYTES;
    return id;
  };
}
