import * as z from "zod/mini";
import { bytes16, bytes32, logName, natural } from "../entries/scalars.js";
import { LedgerError } from "../errors.js";

/**
 * What an auditor knows from elsewhere and holds a bundle against. Without it a bundle is only checked against itself:
 * that is enough to see any later change, but not to tell a wholly invented log from the real one.
 */
export interface Trust {
  readonly log?: string;
  /** Verifier key of the log's checkpoints. */
  readonly vkey?: string;
  /** The operator's Ed25519 key, base64url. */
  readonly operatorKey?: string;
  /** Verifier keys of witnesses. */
  readonly witnesses?: readonly string[];
  /** How many of the witnesses must have cosigned. */
  readonly quorum?: number;
  /** A signed checkpoint that was kept from earlier. */
  readonly checkpoint?: string;
  /** The longest silence of the coordinator that is accepted, in milliseconds. */
  readonly maximumSilenceMs?: number;
  /** Pseudonyms of the subjects whose keys the vault still holds (`SubjectVault.pseudonyms`). */
  readonly subjectsWithKeys?: readonly string[];
}

const trustSchema: z.ZodMiniType<Trust> = z
  .strictObject({
    log: z.exactOptional(logName),
    vkey: z.exactOptional(z.string()),
    operatorKey: z.exactOptional(bytes32),
    witnesses: z.exactOptional(z.array(z.string())),
    quorum: z.exactOptional(natural),
    checkpoint: z.exactOptional(z.string()),
    maximumSilenceMs: z.exactOptional(natural),
    subjectsWithKeys: z.exactOptional(z.array(bytes16)),
  })
  .check(
    z.refine(
      ({ quorum = 0, witnesses = [] }) => quorum <= witnesses.length,
      "quorum must not exceed the number of witnesses",
    ),
  );

/**
 * Reads a trust file: one JSON object with any of the members of {@link Trust}.
 * @throws LedgerError BAD_ENCODING when it is not such an object.
 */
export function parseTrust(text: string): Trust {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new LedgerError("BAD_ENCODING", "The trust file is not JSON.", { cause });
  }
  const { success, data, error } = trustSchema.safeParse(value);
  if (success) return data;
  const issues = error.issues.slice(0, 3).map(({ path, message }) => `${path.join(".") || "file"}: ${message}`);
  throw new LedgerError("BAD_ENCODING", `The trust file is malformed: ${issues.join("; ")}.`, { cause: error });
}
