import type { Message } from "@bufbuild/protobuf";
import { framedOnce } from "@fedloop/proto/grpc";
import type { ServerWritableStream } from "@grpc/grpc-js";

// grpc-js frames a message by copying it into memory of its own: for a model, as much again for each device of a cohort. What is
// looked up here is private to it: should it go, a test says so, and downloads are slower and just as right.

interface Framing {
  serializeMessage(message: Message): Buffer;
}

function isFraming(value: unknown): value is Framing {
  return typeof value === "object" && value !== null && "serializeMessage" in value;
}

/** Has a stream send messages that were encoded once (`encodedOnce`) from the one memory that they lie in. */
export function sendWithoutCopies(call: ServerWritableStream<Message, Message>): void {
  const framing: unknown = Reflect.get(call, "call");
  if (!isFraming(framing)) return;
  const copied = framing.serializeMessage.bind(framing);
  framing.serializeMessage = (message) => framedOnce(message) ?? copied(message);
}
