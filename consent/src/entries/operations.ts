// Entries about the log's own running: enums only, no free text.
import * as z from "zod/mini";
import { type EntryForm, type EntryReader, entryReader, formOf } from "./entry-forms.js";
import type { EntryOf } from "./entry-types.js";
import { bytes16, bytes32 } from "./scalars.js";

/** Proof of life: a log that stays silent cannot be told from one that suppresses entries. */
export type Heartbeat = Readonly<Record<never, never>>;

export const heartbeat: z.ZodMiniType<Heartbeat> = z.strictObject({});

/** A signer changes its key; the entry is signed by the old key, and its next one by the new. */
export interface KeyRotate {
  readonly role: "operator" | "device";
  readonly newKey: string;
  /** Why, one of three words. */
  readonly reason: "scheduled" | "compromised" | "lost";
}

export const keyRotate: z.ZodMiniType<KeyRotate> = z.strictObject({
  role: z.enum(["operator", "device"]),
  newKey: bytes32,
  reason: z.enum(["scheduled", "compromised", "lost"]),
});

/** Every wrap of a subject's key was destroyed. */
export interface Erasure {
  readonly subject: string;
  readonly reason: "requested" | "retention" | "law";
}

const erasure: z.ZodMiniType<Erasure> = z.strictObject({
  subject: bytes16,
  reason: z.enum(["requested", "retention", "law"]),
});

export const erasureForm: EntryForm<EntryOf<"erasure">> = formOf("erasure", erasure);

/** Reads an `erasure` entry, and no other. @throws LedgerError as `parseEntry` */
export const readErasureEntry: EntryReader<EntryOf<"erasure">> = entryReader([erasureForm]);
