// Matrix products, in AssemblyScript (0.28, SIMD). Offsets and steps count floats from the start of the memory.
//
// C (+)= A·B is computed in tiles of up to 4 rows and 8 columns whose sums stay in registers (5 rows spill:
// half the speed). B is read from panels of 8
// columns, one row of a panel after the other: 16 kB of a panel at most, so that it stays in the first-level cache.
// A is read where it lies: row r = (q, i) and depth d = (o, k) at a + q·rowOuter + i·row + o·outer + k·step. So A may be
// transposed, strided, or overlap itself, as the windows of a convolution do, and nothing is copied.

/** Depth of a panel that is worked on at a time. */
const PANEL_DEPTH: i32 = 512;

/** The 16 bytes' worth of lanes at `from`, of which only `lanes` are read; the others are 0. */
// @ts-ignore: decorator
@inline
export function loadPart(from: usize, lanes: i32): v128 {
  if (lanes >= 4) return v128.load(from);
  let part = v128.load32_zero(from);
  if (lanes > 1) part = v128.load_lane<u32>(from, part, 1, 4);
  if (lanes > 2) part = v128.load_lane<u32>(from, part, 2, 8);
  return part;
}

/** Stores the first `lanes` lanes. */
// @ts-ignore: decorator
@inline
export function storePart(to: usize, part: v128, lanes: i32): void {
  if (lanes >= 4) {
    v128.store(to, part);
    return;
  }
  v128.store_lane<u32>(to, part, 0);
  if (lanes > 1) v128.store_lane<u32>(to, part, 1, 4);
  if (lanes > 2) v128.store_lane<u32>(to, part, 2, 8);
}

// @ts-ignore: decorator
@inline
function emit(to: usize, left: v128, right: v128, columns: i32, accumulate: bool): void {
  if (columns >= 8) {
    if (accumulate) {
      v128.store(to, f32x4.add(v128.load(to), left));
      v128.store(to, f32x4.add(v128.load(to, 16), right), 16);
    } else {
      v128.store(to, left);
      v128.store(to, right, 16);
    }
  } else {
    if (accumulate) left = f32x4.add(loadPart(to, columns), left);
    storePart(to, left, columns);
    if (columns > 4) {
      if (accumulate) right = f32x4.add(loadPart(to + 16, columns - 4), right);
      storePart(to + 16, right, columns - 4);
    }
  }
}

/** `rows` is a constant wherever this is inlined, so that each size has only the registers it needs. */
// @ts-ignore: decorator
@inline
function tile(rows: i32, depth: i32, outer: i32, a: usize, row: usize, step: usize, outerStep: usize, b: usize, c: usize, cRow: usize, columns: i32, accumulate: bool): void {
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  for (let o = 0; o < outer; o++) {
    let a0 = a;
    let a1 = a + row;
    let a2 = a + 2 * row;
    let a3 = a + 3 * row;
    for (let k = depth; k > 0; k--) {
      const b0 = v128.load(b);
      const b1 = v128.load(b, 16);
      const x0 = v128.load32_splat(a0);
      c00 = f32x4.add(c00, f32x4.mul(x0, b0));
      c01 = f32x4.add(c01, f32x4.mul(x0, b1));
      a0 += step;
      if (rows > 1) {
        const x1 = v128.load32_splat(a1);
        c10 = f32x4.add(c10, f32x4.mul(x1, b0));
        c11 = f32x4.add(c11, f32x4.mul(x1, b1));
        a1 += step;
      }
      if (rows > 2) {
        const x2 = v128.load32_splat(a2);
        c20 = f32x4.add(c20, f32x4.mul(x2, b0));
        c21 = f32x4.add(c21, f32x4.mul(x2, b1));
        a2 += step;
      }
      if (rows > 3) {
        const x3 = v128.load32_splat(a3);
        c30 = f32x4.add(c30, f32x4.mul(x3, b0));
        c31 = f32x4.add(c31, f32x4.mul(x3, b1));
        a3 += step;
      }
      b += 32;
    }
    a += outerStep;
  }
  emit(c, c00, c01, columns, accumulate);
  if (rows > 1) emit(c + cRow, c10, c11, columns, accumulate);
  if (rows > 2) emit(c + 2 * cRow, c20, c21, columns, accumulate);
  if (rows > 3) emit(c + 3 * cRow, c30, c31, columns, accumulate);
}

function tile1(depth: i32, outer: i32, a: usize, row: usize, step: usize, outerStep: usize, b: usize, c: usize, cRow: usize, columns: i32, accumulate: bool): void {
  tile(1, depth, outer, a, row, step, outerStep, b, c, cRow, columns, accumulate);
}

function tile2(depth: i32, outer: i32, a: usize, row: usize, step: usize, outerStep: usize, b: usize, c: usize, cRow: usize, columns: i32, accumulate: bool): void {
  tile(2, depth, outer, a, row, step, outerStep, b, c, cRow, columns, accumulate);
}

function tile3(depth: i32, outer: i32, a: usize, row: usize, step: usize, outerStep: usize, b: usize, c: usize, cRow: usize, columns: i32, accumulate: bool): void {
  tile(3, depth, outer, a, row, step, outerStep, b, c, cRow, columns, accumulate);
}

function tile4(depth: i32, outer: i32, a: usize, row: usize, step: usize, outerStep: usize, b: usize, c: usize, cRow: usize, columns: i32, accumulate: bool): void {
  tile(4, depth, outer, a, row, step, outerStep, b, c, cRow, columns, accumulate);
}

/** All rows of A by one panel. */
function panelProduct(rows: i32, rowsOuter: i32, row: usize, rowOuter: usize, depth: i32, outer: i32, step: usize, outerStep: usize, a: usize, panel: usize, c: usize, cRow: usize, columns: i32, accumulate: bool): void {
  for (let q = 0; q < rowsOuter; q++) {
    let at = a;
    let left = rows;
    while (left > 0) {
      // Thin tiles are slow: 5 rows are 3 + 2, and 6 are 3 + 3.
      if (left >= 7 || left == 4) {
        tile4(depth, outer, at, row, step, outerStep, panel, c, cRow, columns, accumulate);
        at += 4 * row;
        c += 4 * cRow;
        left -= 4;
      } else if (left >= 3) {
        tile3(depth, outer, at, row, step, outerStep, panel, c, cRow, columns, accumulate);
        at += 3 * row;
        c += 3 * cRow;
        left -= 3;
      } else if (left == 2) {
        tile2(depth, outer, at, row, step, outerStep, panel, c, cRow, columns, accumulate);
        c += 2 * cRow;
        left = 0;
      } else {
        tile1(depth, outer, at, row, step, outerStep, panel, c, cRow, columns, accumulate);
        c += cRow;
        left = 0;
      }
    }
    a += rowOuter;
  }
}

/** One panel of B: rows (o, k) at b + o·outerStep + k·step, columns `column` apart; missing columns are 0. */
function packPanel(to: usize, b: usize, depth: i32, outer: i32, step: usize, outerStep: usize, column: usize, columns: i32): void {
  for (let o = 0; o < outer; o++) {
    let from = b;
    if (column == 4) {
      if (columns >= 8) {
        for (let k = 0; k < depth; k++) {
          v128.store(to, v128.load(from));
          v128.store(to, v128.load(from, 16), 16);
          from += step;
          to += 32;
        }
      } else {
        for (let k = 0; k < depth; k++) {
          v128.store(to, loadPart(from, columns));
          v128.store(to, columns > 4 ? loadPart(from + 16, columns - 4) : f32x4.splat(0), 16);
          from += step;
          to += 32;
        }
      }
    } else if (step == 4 && columns >= 8) {
      // Each column lies in one piece: four by four are turned over in registers.
      let k = 0;
      for (; k + 4 <= depth; k += 4) {
        turn(to, from, column);
        turn(to + 16, from + 4 * column, column);
        from += 16;
        to += 128;
      }
      for (; k < depth; k++) {
        for (let j: usize = 0; j < 8; j++) store<f32>(to + (j << 2), load<f32>(from + j * column));
        from += 4;
        to += 32;
      }
    } else {
      for (let k = 0; k < depth; k++) {
        for (let j = 0; j < 8; j++) {
          store<f32>(to + (<usize>j << 2), j < columns ? load<f32>(from + <usize>j * column) : 0);
        }
        from += step;
        to += 32;
      }
    }
    b += outerStep;
  }
}

/** A block of four by four, turned over, into rows 32 bytes apart. */
// @ts-ignore: decorator
@inline
function turn(to: usize, from: usize, column: usize): void {
  const r0 = v128.load(from);
  const r1 = v128.load(from + column);
  const r2 = v128.load(from + 2 * column);
  const r3 = v128.load(from + 3 * column);
  const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
  v128.store(to + 32, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
  v128.store(to + 64, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
  v128.store(to + 96, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
}

/** Packs all of B: panels one after the other, each of outer·depth rows. */
export function pack(packed: usize, columns: i32, depth: i32, outer: i32, b: usize, step: usize, outerStep: usize, column: usize): void {
  packed <<= 2;
  b <<= 2;
  for (let j = 0; j < columns; j += 8) {
    packPanel(packed, b, depth, outer, step << 2, outerStep << 2, column << 2, columns - j);
    packed += <usize>(outer * depth) << 5;
    b += column << 5;
  }
}

/** C (+)= A·B, with B packed before when `step` is 0, else packed panel by panel into `scratch` (512·8 floats). */
export function multiply(
  rows: i32, rowsOuter: i32, row: usize, rowOuter: usize, columns: i32, depth: i32, outer: i32, a: usize, aStep: usize,
  aOuter: usize, b: usize, step: usize, outerStep: usize, column: usize, c: usize, cRow: usize, accumulate: bool, scratch: usize,
): void {
  row <<= 2;
  rowOuter <<= 2;
  a <<= 2;
  aStep <<= 2;
  aOuter <<= 2;
  b <<= 2;
  step <<= 2;
  outerStep <<= 2;
  column <<= 2;
  c <<= 2;
  cRow <<= 2;
  scratch <<= 2;
  const packed = step == 0;
  const wholeDepth = <usize>(outer * depth);
  const outerBlock = max(1, PANEL_DEPTH / depth);
  const depthBlock = min(depth, PANEL_DEPTH);
  for (let o = 0; o < outer; o += outerBlock) {
    const outerNow = min(outerBlock, outer - o);
    for (let k = 0; k < depth; k += depthBlock) {
      const depthNow = min(depthBlock, depth - k);
      const aNow = a + <usize>o * aOuter + <usize>k * aStep;
      const add = accumulate || o > 0 || k > 0;
      for (let j = 0; j < columns; j += 8) {
        let panel = scratch;
        if (packed) {
          panel = b + ((<usize>(j >> 3) * wholeDepth + <usize>(o * depth + k)) << 5);
        } else {
          const from = b + <usize>o * outerStep + <usize>k * step + <usize>j * column;
          packPanel(scratch, from, depthNow, outerNow, step, outerStep, column, columns - j);
        }
        panelProduct(rows, rowsOuter, row, rowOuter, depthNow, outerNow, aStep, aOuter, aNow, panel, c + (<usize>j << 2), cRow, columns - j, add);
      }
    }
  }
}
