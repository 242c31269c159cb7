export type { WorkerPort } from "./messages.js";
export { type OpenParticipant, serveParticipant, type WorkerSetup, workerScope } from "./serve.js";
export { type WorkerJoinOptions, WorkerParticipant } from "./worker-participant.js";
