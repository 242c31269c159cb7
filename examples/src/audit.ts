import { readFile } from "node:fs/promises";
import { type VerificationReport, verifyBundle } from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";

/** Verifies a bundle, or with `flip` what it would be if one bit of the byte at that offset were another. */
export async function audit(path: string, flip?: number): Promise<VerificationReport> {
  const bytes = new Uint8Array(await readFile(path));
  if (flip !== undefined) bytes[flip] = (bytes[flip] ?? 0) ^ 1;
  const report = await verifyBundle([bytes], { verifier: nodeVerifier() });
  for (const { population, epsilon, delta, cap } of report.populations) {
    console.log(`${population}: ε ${epsilon} of ${cap} at δ ${delta}, recomputed`);
  }
  for (const { code, where, index, message } of report.findings) console.log(code, where, index, message);
  return report;
}
