import type { Http2Server } from "node:http2";
import type { Socket } from "node:net";
import type { Server } from "@grpc/grpc-js";

/**
 * The connections of a gRPC server, so that it can end them. grpc-js ends its side of one and waits for the peer's: a peer that
 * does not read would keep the server from closing for as long as it likes. What is looked up here is private to grpc-js.
 */
export class Connections {
  readonly #sockets = new Set<Socket>();

  /** To be called when the server has bound. */
  follow(server: Server): void {
    const servers: unknown = Reflect.get(server, "http2Servers");
    if (!(servers instanceof Map)) return;
    for (const http2Server of servers.keys() as Iterable<Http2Server>) {
      http2Server.on("connection", (socket: Socket) => {
        this.#sockets.add(socket);
        socket.once("close", () => this.#sockets.delete(socket));
      });
    }
  }

  /** Cuts all of them off. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
