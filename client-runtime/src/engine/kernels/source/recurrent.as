// One time step of gated recurrent layers, without their matrix products. Offsets count floats. Sequences lie example
// after example, so that the rows of a time step are `gateRow` or `stateRow` floats apart.
import { loadPart, storePart } from "./multiply";
import { activate4, slope4 } from "./pointwise";

/**
 * gates: i, f, g, o before activation, and after it on return. cell = f·before + i·g; hidden = o·activation(cell).
 * `first`: there is no step before this one.
 */
export function lstmStep(kind: i32, gateKind: i32, rows: i32, units: i32, gates: usize, gateRow: usize, cell: usize, before: usize, hidden: usize, stateRow: usize, first: bool): void {
  const width = <usize>units << 2;
  for (let r = 0; r < rows; r++) {
    let g = (gates + <usize>r * gateRow) << 2;
    let c = (cell + <usize>r * stateRow) << 2;
    let b = (before + <usize>r * stateRow) << 2;
    let h = (hidden + <usize>r * stateRow) << 2;
    for (let left = units; left > 0; left -= 4) {
      const input = activate4(gateKind, loadPart(g, left));
      const forget = activate4(gateKind, loadPart(g + width, left));
      const candidate = activate4(kind, loadPart(g + 2 * width, left));
      const output = activate4(gateKind, loadPart(g + 3 * width, left));
      storePart(g, input, left);
      storePart(g + width, forget, left);
      storePart(g + 2 * width, candidate, left);
      storePart(g + 3 * width, output, left);
      let next = f32x4.mul(input, candidate);
      if (!first) next = f32x4.add(next, f32x4.mul(forget, loadPart(b, left)));
      storePart(c, next, left);
      storePart(h, f32x4.mul(output, activate4(kind, next)), left);
      g += 16;
      c += 16;
      b += 16;
      h += 16;
    }
  }
}

/** gates, activated, become their gradients before activation; dCell goes from this step's to the one before's. */
export function lstmStepGradient(kind: i32, gateKind: i32, rows: i32, units: i32, gates: usize, gateRow: usize, cell: usize, before: usize, stateRow: usize, dHidden: usize, dCell: usize, first: bool): void {
  const width = <usize>units << 2;
  for (let r = 0; r < rows; r++) {
    let g = (gates + <usize>r * gateRow) << 2;
    let c = (cell + <usize>r * stateRow) << 2;
    let b = (before + <usize>r * stateRow) << 2;
    let dh = (dHidden + <usize>(r * units)) << 2;
    let dc = (dCell + <usize>(r * units)) << 2;
    for (let left = units; left > 0; left -= 4) {
      const input = loadPart(g, left);
      const forget = loadPart(g + width, left);
      const candidate = loadPart(g + 2 * width, left);
      const output = loadPart(g + 3 * width, left);
      const active = activate4(kind, loadPart(c, left));
      const hidden = loadPart(dh, left);
      const through = f32x4.mul(f32x4.mul(hidden, output), slope4(kind, active));
      const dCellNow = f32x4.add(loadPart(dc, left), through);
      const past = first ? f32x4.splat(0) : loadPart(b, left);
      storePart(g, f32x4.mul(f32x4.mul(dCellNow, candidate), slope4(gateKind, input)), left);
      storePart(g + width, f32x4.mul(f32x4.mul(dCellNow, past), slope4(gateKind, forget)), left);
      storePart(g + 2 * width, f32x4.mul(f32x4.mul(dCellNow, input), slope4(kind, candidate)), left);
      storePart(g + 3 * width, f32x4.mul(f32x4.mul(hidden, active), slope4(gateKind, output)), left);
      storePart(dc, f32x4.mul(dCellNow, forget), left);
      g += 16;
      c += 16;
      b += 16;
      dh += 16;
      dc += 16;
    }
  }
}
