import { randomUUID } from "node:crypto";
import { MaskPool } from "@fedloop/privacy/secagg/node";
import { AggregatorProcess } from "./aggregator-process.js";
import { connectNats, type NatsOptions } from "./connect.js";

export interface RunAggregatorOptions {
  readonly nats: NatsOptions;
  /** The log's name. */
  readonly origin: string;
  /** What coordinators and aggregators share, 32 bytes. */
  readonly secret: Uint8Array;
  readonly onFault: (where: string, cause: unknown) => void;
}

/** An aggregator of its own connection and threads. */
export interface RunningAggregator extends AsyncDisposable {
  readonly name: string;
  /** See `AggregatorProcess.drain`. */
  drain(deadlineMs: number): Promise<void>;
}

/**
 * Starts an aggregator, which works until it is disposed of.
 *
 * @throws CoordinatorError UNREACHABLE, FILE_UNREADABLE
 */
export async function startAggregator(options: RunAggregatorOptions): Promise<RunningAggregator> {
  const name = `aggregator-${randomUUID()}`;
  const connection = await connectNats(options.nats, name);
  const engine = new MaskPool();
  try {
    const aggregator = await AggregatorProcess.open({ ...options, connection, name, engine });
    return {
      name,
      drain: (deadlineMs) => aggregator.drain(deadlineMs),
      async [Symbol.asyncDispose]() {
        await aggregator[Symbol.asyncDispose]();
        await engine.close();
        await connection.close();
      },
    };
  } catch (cause) {
    await engine.close();
    await connection.close();
    throw cause;
  }
}
