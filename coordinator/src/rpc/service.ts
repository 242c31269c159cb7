/**
 * Services as plain functions over messages, so that gRPC and Connect serve the same code.
 */
import type {
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Device } from "../registry/device.js";

/** What a handler knows of its caller. */
export interface CallContext {
  /** Aborted when the caller went away or the server drains. */
  readonly signal: AbortSignal;
}

/** A call that the device's key signed. */
export interface DeviceContext extends CallContext {
  readonly device: Device;
}

type Handler<Method, Context> =
  Method extends DescMethodUnary<infer Input, infer Output>
    ? (request: MessageShape<Input>, context: Context) => Promise<MessageInitShape<Output>> | MessageInitShape<Output>
    : Method extends DescMethodServerStreaming<infer Input, infer Output>
      ? (request: MessageShape<Input>, context: Context) => AsyncIterable<MessageInitShape<Output>>
      : never;

/** The methods of a service that need no signature. */
export type OpenMethods<Service extends DescService> = readonly (keyof Service["method"] & string)[];

/** One function for each method; those that need no signature get no device. */
export type ServiceHandlers<Service extends DescService, Open extends keyof Service["method"] = never> = {
  readonly [Name in keyof Service["method"]]: Handler<
    Service["method"][Name],
    Name extends Open ? CallContext : DeviceContext
  >;
};
