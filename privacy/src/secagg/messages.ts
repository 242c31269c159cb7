/**
 * What travels between device and server, step by step; the wire maps it to fedloop.v1 Rounds. Members are numbered in
 * the group's graph. Lists are in ascending order of their members.
 */

/** keys, device → server: fresh keys of this round under the device's signature. */
export interface KeyAdvertisement {
  /** X25519, 32 bytes. */
  readonly maskPublicKey: Uint8Array;
  /** X25519, 32 bytes. */
  readonly encryptionPublicKey: Uint8Array;
  /** Ed25519 over `advertisementTranscript`, 64 bytes. */
  readonly signature: Uint8Array;
}

/** A neighbour's keys, as the server passes them on. */
export interface NeighbourKeys extends KeyAdvertisement {
  readonly member: number;
  /** The Ed25519 key that signed, 32 bytes. */
  readonly devicePublicKey: Uint8Array;
}

/** keys, server → device. */
export interface NeighbourList {
  /** The receiver's own number. */
  readonly member: number;
  /** Members in the group. */
  readonly cohortSize: number;
  readonly threshold: number;
  readonly neighbours: readonly NeighbourKeys[];
}

/** One dealer's shares for one holder: both commitments, the nonce, and what only the holder can open. */
export interface SealedShares {
  /** The holder on the way to the server, the dealer on the way to the holder. */
  readonly member: number;
  /** `ENVELOPE_BYTES` bytes, see `envelope.ts`. */
  readonly envelope: Uint8Array;
}

/** shares, device → server. */
export interface ShareDeal {
  /** SHA-256 commitment to the self-mask seed, 32 bytes. */
  readonly selfMaskCommitment: Uint8Array;
  /** One for each neighbour. */
  readonly shares: readonly SealedShares[];
}

/** shares, server → device. Every neighbour is in one of the lists. */
export interface ShareDelivery {
  readonly shares: readonly SealedShares[];
  /** Neighbours that sent no shares; nobody masks with them. */
  readonly gone: readonly number[];
}

/** masked, device → server. */
export interface MaskedVector {
  /** `length` residues of `bits` bits, packed (`packResidues`). */
  readonly vector: Uint8Array;
}

/** masked, server → device: U, those whose vector is in the sum. */
export interface SurvivorSet {
  readonly survivors: readonly number[];
}

/** consistency, device → server. */
export interface SurvivorConfirmation {
  /** Ed25519 over `survivorsTranscript`, 64 bytes. */
  readonly signature: Uint8Array;
}

/** consistency, server → device: the neighbours' signatures over the same set. */
export interface SurvivorConfirmations {
  readonly signatures: readonly { readonly member: number; readonly signature: Uint8Array }[];
}

/** unmask, device → server: of each dealer one kind of share, never both. */
export type UnmaskShare =
  | { readonly member: number; readonly type: "self-mask"; readonly share: Uint8Array }
  | { readonly member: number; readonly type: "mask-key"; readonly share: Uint8Array };

/** unmask, device → server. */
export interface UnmaskAnswer {
  readonly shares: readonly UnmaskShare[];
}
