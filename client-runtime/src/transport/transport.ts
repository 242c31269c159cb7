import type { DescMessage, DescMethodServerStreaming, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";

/** How one attempt of a call is made. */
export interface CallOptions {
  /** gRPC metadata or HTTP headers, lower-case names, ASCII values. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The request message, encoded: exactly these bytes are sent, since the signature in the metadata covers them. */
  readonly body: Uint8Array;
  readonly signal?: AbortSignal | undefined;
  /** For unary calls; the attempt fails with DEADLINE after it. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Carries calls to one coordinator: gRPC in Node, Connect in browsers. It makes one attempt and knows nothing of
 * sessions or retries. Participants of one process share it.
 *
 * Failures are `ClientError`: REMOTE with the coordinator's own code when it answered, else UNAVAILABLE, DEADLINE,
 * ABORTED or PROTOCOL.
 */
export interface Transport {
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    options: CallOptions,
  ): Promise<MessageShape<O>>;
  /** The stream is read as fast as it is iterated; leaving the loop ends the call. */
  serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageShape<I>,
    options: CallOptions,
  ): AsyncIterable<MessageShape<O>>;
  /** Whether the coordinator may hold answers back: not where calls that wait would keep others from being made. */
  mayWait?(): Promise<boolean>;
  close(): Promise<void>;
}
