import { MessageChannel } from "node:worker_threads";

/**
 * Frees a piece of memory that nobody reads again, instead of leaving it to the collector.
 *
 * node:crypto returns every piece of keystream in fresh memory. Left to the collector, tens of megabytes of pieces pile
 * up outside the heap before each collection, fall out of the processor's cache, go back to the kernel and are paged in
 * anew: masks took two to three times as long. Transferring a buffer detaches it from its owner (HTML, section 2.7.6),
 * and a message to a closed port is dropped with what it carries; so the same few pages serve for all pieces.
 * `ArrayBuffer.prototype.transfer` would do the same from Node 22 on.
 */
export function discard(bytes: Uint8Array): void {
  const { buffer } = bytes;
  const whole = bytes.byteLength === buffer.byteLength;
  if (closed && whole && buffer instanceof ArrayBuffer) port1.postMessage(undefined, [buffer]);
}

const { port1, port2 } = new MessageChannel();
// Until the port is closed its messages would be kept: leave the first pieces to the collector.
let closed = false;
port1.once("close", () => {
  closed = true;
});
port1.unref();
port2.close();
