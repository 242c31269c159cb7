import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/**
 * A TCP proxy before one or more servers: a balancer that takes the next one when one is gone, or a wire that can be cut and
 * mended.
 */
export class TcpFront {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Ports of 127.0.0.1 behind it, in the order in which they are tried. */
  ports: readonly number[];
  #isCut = false;
  #next = 0;

  private constructor(server: Server, ports: readonly number[]) {
    this.#server = server;
    this.ports = ports;
  }

  static async open(ports: readonly number[]): Promise<TcpFront> {
    const server = createServer();
    const front = new TcpFront(server, ports);
    server.on("connection", (near) => front.#join(near, front.ports.length, front.#next++));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return front;
  }

  get port(): number {
    // A TCP server's address is never a path.
    return (this.#server.address() as AddressInfo).port;
  }

  /** Severs all connections and takes no new ones. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #join(near: Socket, tries: number, at: number): void {
    near.on("error", () => undefined);
    this.#sockets.add(near);
    near.on("close", () => this.#sockets.delete(near));
    const port = this.ports[at % this.ports.length];
    if (this.#isCut || tries === 0 || port === undefined) {
      near.destroy();
      return;
    }
    const far = connect({ host: "127.0.0.1", port });
    let isOpen = false;
    far.on("connect", () => {
      isOpen = true;
      this.#sockets.add(far);
      near.pipe(far);
      far.pipe(near);
    });
    far.on("error", () => undefined);
    near.on("close", () => far.destroy());
    far.on("close", () => {
      this.#sockets.delete(far);
      if (isOpen) near.destroy();
      else this.#join(near, tries - 1, at + 1);
    });
  }
}
