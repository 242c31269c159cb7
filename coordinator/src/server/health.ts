import type { Server } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";

/** The standard gRPC health service: "" stands for the server as a whole. */
export function addHealth(server: Server): void {
  const health = new HealthImplementation({ "": "SERVING" });
  health.addToServer(server);
}
