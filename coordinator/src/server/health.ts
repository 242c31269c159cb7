import type { Server } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";

/**
 * The standard gRPC health service: "" stands for the server as a whole.
 *
 * @returns what has it say that the server takes no more work
 */
export function addHealth(server: Server): () => void {
  const health = new HealthImplementation({ "": "SERVING" });
  health.addToServer(server);
  return () => health.setStatus("", "NOT_SERVING");
}
