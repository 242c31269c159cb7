import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { encodeBase64Url } from "../crypto/encoding.js";
import { freshKey } from "../vault/aead.js";
import { recipientFromBytes } from "../vault/sealed-box.js";
import { exitHolds, type Terminal, UnusableError } from "./command.node.js";

/** `fedloop-audit keygen --out FILE` */
export async function keygenCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { out: { type: "string" } } });
  if (values.out === undefined) throw new UnusableError("Say where the private key goes with --out FILE.");
  const privateKey = freshKey();
  const { publicKey } = await recipientFromBytes(privateKey);
  // A key that is there is never overwritten: what was sealed to it could not be opened any more.
  await writeFile(values.out, `${encodeBase64Url(privateKey)}\n`, { mode: 0o600, flag: "wx" });
  terminal.out(`${encodeBase64Url(publicKey)}\n`);
  return exitHolds;
}
