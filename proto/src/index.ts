export { type EncodedRequest, encodeRequest, signedParts } from "./bulk.js";
export { decodeMessage, encodeMessage, messageOf } from "./codec.js";
export * from "./gen/fedloop/v1/artifacts_pb.js";
export * from "./gen/fedloop/v1/authentication_pb.js";
export * from "./gen/fedloop/v1/consent_pb.js";
export * from "./gen/fedloop/v1/enrollment_pb.js";
export * from "./gen/fedloop/v1/rounds_pb.js";
export * from "./gen/fedloop/v1/transparency_pb.js";
export { ROUND_STATES, type RoundStateName, wireRoundState } from "./round-states.js";
export {
  CHUNK_BYTES,
  FLOW_CONTROL_WINDOW_BYTES,
  MAX_MESSAGE_BYTES,
  METADATA,
  methodPath,
  requestSigningInput,
} from "./wire.js";
