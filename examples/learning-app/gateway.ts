// One more address of a coordinator. A browser opens six connections to an address, and a device that takes part holds two.
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Ending } from "./stage.js";

/** Told of every byte that passes. */
export interface Overhearing {
  readonly sent: (bytes: Buffer) => void;
  readonly came: (bytes: Buffer) => void;
}

/** Opens an address that passes everything on to the coordinator, and back. */
export async function openGateway(ending: Ending, coordinator: string, overhearing?: Overhearing): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(new URL(coordinator).port), "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    if (overhearing !== undefined) {
      client.on("data", overhearing.sent);
      upstream.on("data", overhearing.came);
    }
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ending.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  // A TCP server's address is never a path.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
