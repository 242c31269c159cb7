// The inner loops of masking, in AssemblyScript (0.28, SIMD). `node build.mjs` compiles it into kernel-wasm.ts.
//
// A coordinate is summed where it lies: the packed residue of lane i starts at some bit 0 … 7 of its 32-bit lane and
// stays there, so that adding a packed vector is a byte shuffle, a mask and an addition, without any shift. What runs
// over the residue's top falls out of the lane at bit 32. `finish` moves the sums to bit 0, once.
//
// `table` holds, for the first and the second half of a group of 8 coordinates:
//   0, 16    which byte of the stream goes to which byte of the lanes
//   32, 48   the bits that belong to each lane's residue
//   64, 80   2^(start bit): moves a word to its lane's position
//   96, 112  2^(32 − bits − start bit): moves a sum to the top of its lane

/** sum ± packed stream, over groups of 8 coordinates of `width` bits each. Reads up to 16 bytes past the stream. */
export function addStream(sum: usize, stream: usize, groups: i32, width: i32, table: usize, subtract: bool): void {
  const firstShuffle = v128.load(table, 0);
  const secondShuffle = v128.load(table, 16);
  const firstKeep = v128.load(table, 32);
  const secondKeep = v128.load(table, 48);
  const half: usize = width >> 1;
  const step: usize = width;
  if (subtract) {
    for (let group = 0; group < groups; group++) {
      const first = v128.and(v128.swizzle(v128.load(stream), firstShuffle), firstKeep);
      const second = v128.and(v128.swizzle(v128.load(stream + half), secondShuffle), secondKeep);
      v128.store(sum, i32x4.sub(v128.load(sum), first));
      v128.store(sum, i32x4.sub(v128.load(sum, 16), second), 16);
      sum += 32;
      stream += step;
    }
  } else {
    for (let group = 0; group < groups; group++) {
      const first = v128.and(v128.swizzle(v128.load(stream), firstShuffle), firstKeep);
      const second = v128.and(v128.swizzle(v128.load(stream + half), secondShuffle), secondKeep);
      v128.store(sum, i32x4.add(v128.load(sum), first));
      v128.store(sum, i32x4.add(v128.load(sum, 16), second), 16);
      sum += 32;
      stream += step;
    }
  }
}

/** sum + words, over groups of 8 coordinates of one 32-bit word each. */
export function addWords(sum: usize, words: usize, groups: i32, table: usize): void {
  const firstScale = v128.load(table, 64);
  const secondScale = v128.load(table, 80);
  for (let group = 0; group < groups; group++) {
    v128.store(sum, i32x4.add(v128.load(sum), i32x4.mul(v128.load(words), firstScale)));
    v128.store(sum, i32x4.add(v128.load(sum, 16), i32x4.mul(v128.load(words, 16), secondScale)), 16);
    sum += 32;
    words += 32;
  }
}

/** Turns sums into residues modulo 2^bits, in place. */
export function finish(sum: usize, groups: i32, bits: i32, table: usize): void {
  const firstScale = v128.load(table, 96);
  const secondScale = v128.load(table, 112);
  const shift = 32 - bits;
  for (let group = 0; group < groups; group++) {
    v128.store(sum, i32x4.shr_u(i32x4.mul(v128.load(sum), firstScale), shift));
    v128.store(sum, i32x4.shr_u(i32x4.mul(v128.load(sum, 16), secondScale), shift), 16);
    sum += 32;
  }
}

/** Packs residues at `from` into `to`, which may lie before it, and returns where the packed bytes end. */
export function pack(from: usize, to: usize, coordinates: i32, bits: i32): usize {
  let held: u64 = 0;
  let heldBits: u64 = 0;
  for (let i = 0; i < coordinates; i++) {
    held |= (<u64>load<u32>(from)) << heldBits;
    heldBits += bits;
    from += 4;
    if (heldBits >= 32) {
      store<u32>(to, <u32>held);
      to += 4;
      held >>= 32;
      heldBits -= 32;
    }
  }
  while (<i64>heldBits > 0) {
    store<u8>(to, <u8>held);
    to += 1;
    held >>= 8;
    heldBits -= 8;
  }
  return to;
}
