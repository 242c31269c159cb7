import type { Http2Server } from "node:http2";
import { FLOW_CONTROL_WINDOW_BYTES } from "@fedloop/proto";
import type { Server } from "@grpc/grpc-js";

// grpc-js has an option for the client's windows and none for the server's. What is looked up here is private to it: should it go, a
// test says so, and uploads are slower and just as right.

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/**
 * Opens the flow-control windows of streams that a server will take (RFC 9113, section 5.2): 64 KiB, the default, stops an
 * upload of 4 MiB sixty times to ask for more. To be called before the server binds.
 */
export function widenStreamWindows(server: Server): void {
  const options: unknown = Reflect.get(server, "commonServerOptions");
  if (!isRecord(options)) return;
  const settings = isRecord(options.settings) ? options.settings : {};
  options.settings = { ...settings, initialWindowSize: FLOW_CONTROL_WINDOW_BYTES };
}

/** The same for the connections as a whole, whose streams share one window. To be called when the server has bound. */
export function widenConnectionWindows(server: Server): void {
  const servers: unknown = Reflect.get(server, "http2Servers");
  if (!(servers instanceof Map)) return;
  for (const http2Server of servers.keys()) {
    if (!isSessionSource(http2Server)) continue;
    http2Server.on("session", (session) => session.setLocalWindowSize(FLOW_CONTROL_WINDOW_BYTES));
  }
}

function isSessionSource(value: unknown): value is Http2Server {
  return isRecord(value) && typeof value.on === "function";
}
