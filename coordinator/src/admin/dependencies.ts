import type { FastifyRequest } from "fastify";
import type { Ledger } from "../ledger/ledger.js";
import type { Publisher } from "../ledger/publisher.js";
import type { ContentStore } from "../models/content-store.js";
import type { Populations } from "../rounds/populations.js";
import type { Store } from "../store/database.js";
import type { Webhooks } from "../webhooks/webhooks.js";
import type { Guard } from "./guard.js";

/** What the API is made of. */
export interface AdminDependencies {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly publisher: Publisher;
  readonly artifacts: ContentStore;
  readonly populations: Populations;
  readonly clock: { now(): number };
  /** The log's name. */
  readonly origin: string;
  readonly verifierKey: string;
  /** Who cosigns what is published. */
  readonly witnesses: readonly { readonly name: string; readonly vkey: string }[];
  /** How many of them must have. */
  readonly quorum: number;
  readonly guard: Guard;
  /** Whether who asks may see a population. */
  readonly maySee: (request: FastifyRequest, population: string) => boolean;
  readonly webhooks: Webhooks;
  /** Gives a round up, whichever coordinator leads it. @throws CoordinatorError WRONG_STATE, RETRY */
  readonly abandonRound: (population: string, round: number) => Promise<void>;
  readonly drain: {
    isDraining(): boolean;
    /** Asks for the end of the process, in order. */
    request(): void;
  };
  readonly onFault: (where: string, cause: unknown) => void;
}
