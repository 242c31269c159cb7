import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Which way bytes go: from the device to the server, or back. */
export type Direction = "up" | "down";

/** A TCP proxy that can be told to cut every connection after so many bytes in one direction, once. */
export class CuttingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cut: { readonly direction: Direction; readonly afterBytes: number } | undefined;
  #passed = 0;
  /** How often connections were cut. */
  cuts = 0;
  /** Bytes passed on, in all. */
  readonly bytes: Record<Direction, number> = { up: 0, down: 0 };

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param address host:port of the server behind it */
  static async open(address: string): Promise<CuttingProxy> {
    const port = Number(address.split(":").at(-1));
    const server = createServer();
    const proxy = new CuttingProxy(server);
    server.on("connection", (near) => proxy.#join(near, connect({ host: "127.0.0.1", port })));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  get address(): string {
    // A TCP server's address is never a path.
    const { port } = this.#server.address() as AddressInfo;
    return `127.0.0.1:${port}`;
  }

  /** Cuts all connections when so many more bytes have passed; what comes after is let through. */
  cutAfter(direction: Direction, afterBytes: number): void {
    this.#cut = { direction, afterBytes };
    this.#passed = 0;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#destroyAll();
  }

  #join(near: Socket, far: Socket): void {
    for (const [from, to, direction] of [
      [near, far, "up"],
      [far, near, "down"],
    ] as const) {
      this.#sockets.add(from);
      from.on("error", () => undefined);
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.on("data", (bytes: Buffer) => {
        if (this.#isCutBy(direction, bytes.length)) {
          this.#destroyAll();
          return;
        }
        this.bytes[direction] += bytes.length;
        if (!to.write(bytes)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
      });
    }
  }

  #isCutBy(direction: Direction, bytes: number): boolean {
    if (this.#cut?.direction !== direction) return false;
    this.#passed += bytes;
    if (this.#passed < this.#cut.afterBytes) return false;
    this.#cut = undefined;
    this.cuts += 1;
    return true;
  }

  #destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
