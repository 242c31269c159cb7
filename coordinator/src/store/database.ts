/**
 * The tables, as Kysely sees them. Every integer is a safe integer, every time is in milliseconds since the epoch,
 * every hash is the 32 bytes of a SHA-256, and JSON is text: types that SQLite and PostgreSQL both have.
 */
import type { RoundStateName } from "@fedloop/proto";
import type { Generated, Kysely, Transaction } from "kysely";
import type {
  IdempotencyTable,
  ModelStagesTable,
  WebhookDeliveriesTable,
  WebhookFactsTable,
} from "./operations-tables.js";

export const ROUND_KINDS = ["train", "evaluate"] as const;

export type RoundKind = (typeof ROUND_KINDS)[number];

export const POPULATION_STATES = ["running", "paused", "finished"] as const;

/** Why a population is paused: an operator wanted it, or too many of its rounds in a row were abandoned. */
export const PAUSE_REASONS = ["operator", "rounds-abandoned"] as const;

export type PauseReason = (typeof PAUSE_REASONS)[number];

export type PopulationState = (typeof POPULATION_STATES)[number];

/** `joined` has a place; `submitted` is part of the sum; `left` gave the place back; `dropped` missed a deadline. */
export const PARTICIPANT_STATES = ["joined", "submitted", "left", "dropped"] as const;

export type ParticipantState = (typeof PARTICIPANT_STATES)[number];

/** The log's entries, in order: the source of truth from which tree, checkpoint and consent view are derived. */
export interface EntriesTable {
  /** Position in the log, from 0. */
  index: number;
  /** The entry's own id, as it stands in the entry. */
  id: string;
  type: string;
  actor: string;
  /** The entry's number in its actor's chain, from 0. */
  aseq: number;
  leaf_hash: Uint8Array;
  bytes: Uint8Array;
}

/** One row (`id` is 1): the newest signed checkpoint. It moves forward by compare-and-swap on `size`. */
export interface CheckpointTable {
  id: number;
  size: number;
  root: Uint8Array;
  text: string;
}

export interface MetaTable {
  key: string;
  value: string;
}

export interface PopulationsTable {
  name: string;
  /** The plan as JSON. */
  plan: string;
  state: PopulationState;
  created_ms: number;
  /** Null unless it is paused; and since when. */
  pause_reason: Generated<PauseReason | null>;
  paused_ms: Generated<number | null>;
  /** The newest round when an operator last resumed it; 0 for never. */
  resumed_round: Generated<number>;
}

export interface DevicesTable {
  /** 16 bytes. */
  device_id: Uint8Array;
  population: string;
  /** Ed25519, 32 bytes. */
  public_key: Uint8Array;
  subject: string;
  /** 16 bytes; null when no session is open. */
  session: Uint8Array | null;
  session_expires_ms: number;
  enrolled_ms: number;
  /** When the participant removed the registration; null while it is in force. */
  left_ms: number | null;
  /** Signed time and nonce (16 bytes) of the key's last enrolment; null where an earlier version wrote it. */
  enrol_time_ms: number | null;
  enrol_nonce: Uint8Array | null;
}

/** Subject keys as versions before the vault kept them: moved into it when the coordinator opens, then gone. */
export interface SubjectKeysTable {
  device_id: Uint8Array;
  /** 32 bytes. */
  subject_key: Uint8Array;
}

/** Erasures that were begun and are not completed. */
export interface ErasuresTable {
  device_id: Uint8Array;
  subject: string;
  public_key: Uint8Array;
  requested_ms: number;
}

/** One row (`id` is 1) where there are witnesses: the newest checkpoint that enough of them have cosigned. */
export interface PublishedTable {
  id: number;
  size: number;
  text: string;
}

export interface RoundsTable {
  population: string;
  /** From 1. */
  round: number;
  kind: RoundKind;
  state: RoundStateName;
  state_since_ms: number;
  deadline_ms: number | null;
  /** Index and leaf hash of the round.plan entry. */
  plan_index: number | null;
  plan_hash: Uint8Array | null;
  /** Why it was abandoned, a code. */
  reason: string | null;
  model_in: Uint8Array | null;
  model_out: Uint8Array | null;
  /** Hash of what the strategy carries to the next round. */
  strategy_state: Uint8Array | null;
  aggregate: Uint8Array | null;
  /** Hash of the blob that lists the cohort. */
  cohort: Uint8Array | null;
  /** The round's DpEvent as JSON. */
  event: string | null;
  /** Result of an evaluation, as JSON. */
  metrics: string | null;
}

export interface ParticipantsTable {
  population: string;
  round: number;
  device_id: Uint8Array;
  subject: string;
  /** Index of the consent entry relied on. */
  consent_index: number;
  /** Ed25519 over the join message, 64 bytes. */
  join_signature: Uint8Array;
  /** SHA-256 of the mask key under secure aggregation. */
  mask_key: Uint8Array | null;
  state: ParticipantState;
  joined_ms: number;
}

export interface ModelsTable {
  sha256: Uint8Array;
  population: string;
  /** The round that made it; 0 for the initial model. */
  round: number;
  created_ms: number;
}

/** Content-addressed pieces that ledger entries name by hash and that audit bundles carry: notices, cohort lists. */
export interface BlobsTable {
  sha256: Uint8Array;
  bytes: Uint8Array;
}

/** Where a population's run of correlated noise (DP-FTRL) stands. A secret: see `NoiseSeal`. */
export interface NoiseRunsTable {
  population: string;
  /** Leaf hash of the plan that opened the run. */
  first: Uint8Array;
  /** The run's event, as JSON. */
  event: string;
  /** The step that was noised last. */
  step: number;
  /** Noise that later steps build on, sealed; empty after the last. */
  sealed: Uint8Array;
}

/** Who leads what, one row each. Its holder renews it; when it has run out, another takes it with a higher token. */
export interface LeasesTable {
  name: string;
  /** The holding process, by a name of its own. */
  holder: string;
  /** Where other coordinators reach the holder, host:port. */
  address: string;
  /** Rises by one with each new holder. What a former one still writes is refused by it. */
  token: number;
  /** By the database's clock. */
  expires_ms: number;
}

export interface Database {
  entries: EntriesTable;
  checkpoint: CheckpointTable;
  meta: MetaTable;
  populations: PopulationsTable;
  devices: DevicesTable;
  subject_keys: SubjectKeysTable;
  erasures: ErasuresTable;
  published: PublishedTable;
  rounds: RoundsTable;
  participants: ParticipantsTable;
  models: ModelsTable;
  blobs: BlobsTable;
  noise_runs: NoiseRunsTable;
  leases: LeasesTable;
  model_stages: ModelStagesTable;
  idempotency: IdempotencyTable;
  webhook_deliveries: WebhookDeliveriesTable;
  webhook_facts: WebhookFactsTable;
}

/**
 * Where the coordinator keeps its state.
 *
 * What changes together with a ledger entry is written through `Ledger.commit`; only what the ledger knows nothing of
 * (sessions, metadata) is written through `db`. Inside a ledger transaction use that transaction alone: a query on
 * `db` would wait for the transaction to end.
 */
export interface Store {
  readonly db: Kysely<Database>;
  /** For messages: the file, or where the server is. */
  readonly location: string;
  /** Whether other processes may write to it at the same time; else this one alone has it open. */
  readonly isShared: boolean;
  /**
   * Leaves nothing of what was deleted in the files. False when a reader was in the way; the next call tries again.
   */
  scrub(): Promise<boolean>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export type StoreTransaction = Transaction<Database>;
