import t from "tap";
import { erfc, logErfc, normalCdf, scaledErfc } from "../../src/numerics/erfc.js";

/** Values by mpmath with 30 digits. */
const ERFC: readonly (readonly [number, number, number])[] = [
  [0.1, 0.887537083981715, -0.11930497373739561],
  [0.5, 0.4795001221869535, -0.7350111298370844],
  [0.74, 0.2953219221452542, -1.219689256125999],
  [0.76, 0.28246324719440913, -1.264206835286046],
  [1, 0.15729920705028513, -1.8496055099332482],
  [2, 0.004677734981047266, -5.364941264616638],
  [3, 2.209049699858544e-5, -10.720363041981113],
  [5, 1.537459794428035e-12, -27.200889545537436],
  [8, 1.1224297172982926e-29, -66.65947197080516],
  [20, 5.395865611607901e-176, -403.56934333410425],
];

t.test("erfc and its logarithm agree with 30-digit values", async (t) => {
  for (const [x, value, log] of ERFC) {
    t.ok(Math.abs(erfc(x) / value - 1) < 1e-13, `erfc(${x})`);
    t.ok(Math.abs(logErfc(x) - log) < 1e-14 * (1 + Math.abs(log)), `ln erfc(${x})`);
    t.ok(Math.abs(erfc(-x) / (2 - value) - 1) < 1e-15, `erfc(−${x})`);
    t.ok(Math.abs(scaledErfc(x) / (value * Math.exp(x * x)) - 1) < 1e-12, `scaled erfc(${x})`);
  }
  t.ok(Math.abs(logErfc(100) + 10005.177585122665) < 1e-10);
  t.equal(erfc(100), 0);
  t.ok(Math.abs(erfc(0) - 1) < 1e-15);
});

t.test("the normal distribution function is symmetric", async (t) => {
  for (const x of [0, 0.3, 1, 2.5, 7]) {
    t.ok(Math.abs(normalCdf(x) + normalCdf(-x) - 1) < 1e-15);
  }
  t.ok(Math.abs(normalCdf(-1.959963984540054) - 0.025) < 1e-15);
});
