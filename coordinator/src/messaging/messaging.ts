import type { NatsConnection } from "@nats-io/transport-node";
import type { ArtifactStore } from "../models/artifact-store.js";
import { bucketOf, ObjectStoreArtifacts } from "../models/object-store-artifacts.js";
import { Aggregators } from "./aggregators.js";
import { connectNats, type NatsOptions } from "./connect.js";

/** What a coordinator has over NATS: the artifacts that coordinators share, and the aggregators. */
export class Messaging implements AsyncDisposable {
  readonly artifacts: ObjectStoreArtifacts;
  readonly aggregators: Aggregators;
  readonly #connection: NatsConnection;

  private constructor(connection: NatsConnection, artifacts: ObjectStoreArtifacts, aggregators: Aggregators) {
    this.#connection = connection;
    this.artifacts = artifacts;
    this.aggregators = aggregators;
  }

  /**
   * @param options.folder keeps what was read once
   * @throws CoordinatorError UNREACHABLE, FILE_UNREADABLE
   */
  static async open(options: {
    readonly nats: NatsOptions;
    readonly origin: string;
    readonly secret: Uint8Array;
    readonly folder: ArtifactStore;
    readonly onFault: (where: string, cause: unknown) => void;
  }): Promise<Messaging> {
    const connection = await connectNats(options.nats, "fedloop coordinator");
    try {
      const artifacts = await ObjectStoreArtifacts.open(connection, bucketOf(options.origin), options.folder);
      artifacts.keepWhole();
      return new Messaging(connection, artifacts, await Aggregators.open({ ...options, connection }));
    } catch (cause) {
      await connection.close();
      throw cause;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.aggregators[Symbol.asyncDispose]();
    await this.#connection.close();
  }
}
