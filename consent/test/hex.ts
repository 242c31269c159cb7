/** Bytes of a hexadecimal text, as specifications print them. */
export function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}
