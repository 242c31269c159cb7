/** "expand 32-byte k", little-endian (RFC 8439, section 2.3). */
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;

/**
 * HChaCha20: the subkey that XChaCha20 uses for a 192-bit nonce (draft-irtf-cfrg-xchacha-03, section 2.2). ChaCha's
 * additions, rotations and exclusive ors take the same time whatever the key.
 *
 * @param key 32 bytes
 * @param input the first 16 bytes of the nonce
 * @returns 32 bytes
 */
export function hchacha20(key: Uint8Array, input: Uint8Array): Uint8Array {
  const state = new Uint32Array(16);
  state.set(CONSTANTS);
  const keyView = new DataView(key.buffer, key.byteOffset, 32);
  const inputView = new DataView(input.buffer, input.byteOffset, 16);
  for (let i = 0; i < 8; i++) state[4 + i] = keyView.getUint32(4 * i, true);
  for (let i = 0; i < 4; i++) state[12 + i] = inputView.getUint32(4 * i, true);
  for (let round = 0; round < 10; round++) {
    quarterRound(state, 0, 4, 8, 12);
    quarterRound(state, 1, 5, 9, 13);
    quarterRound(state, 2, 6, 10, 14);
    quarterRound(state, 3, 7, 11, 15);
    quarterRound(state, 0, 5, 10, 15);
    quarterRound(state, 1, 6, 11, 12);
    quarterRound(state, 2, 7, 8, 13);
    quarterRound(state, 3, 4, 9, 14);
  }
  const subkey = new Uint8Array(32);
  const view = new DataView(subkey.buffer);
  for (let i = 0; i < 4; i++) {
    view.setUint32(4 * i, state[i] ?? 0, true);
    view.setUint32(16 + 4 * i, state[12 + i] ?? 0, true);
  }
  state.fill(0);
  return subkey;
}

/** RFC 8439, section 2.1. */
function quarterRound(state: Uint32Array, a: number, b: number, c: number, d: number): void {
  step(state, a, b, d, 16);
  step(state, c, d, b, 12);
  step(state, a, b, d, 8);
  step(state, c, d, b, 7);
}

/** target += source; turned = (turned ^ target) <<< bits. */
function step(state: Uint32Array, target: number, source: number, turned: number, bits: number): void {
  const sum = ((state[target] ?? 0) + (state[source] ?? 0)) | 0;
  state[target] = sum;
  const mixed = (state[turned] ?? 0) ^ sum;
  state[turned] = (mixed << bits) | (mixed >>> (32 - bits));
}
