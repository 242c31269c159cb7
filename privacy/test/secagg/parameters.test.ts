import t from "tap";
import { type SecAggParameters, secAggParameters } from "../../src/secagg/parameters.js";
import { testParameters } from "./test-round.js";

t.test("parameters are copied, so that nobody changes them later", async (t) => {
  const session = new Uint8Array(32);
  const parameters = testParameters({ session });
  session.fill(1);
  t.ok(parameters.session.every((byte) => byte === 0));
  t.throws(() => Object.assign(parameters, { bits: 3 }), TypeError);
  const pooled = secAggParameters({ ...parameters, planHash: Buffer.alloc(32, 7) });
  t.strictSame([...pooled.planHash], new Array(32).fill(7));
});

t.test("each bad field is refused by its name", async (t) => {
  const bad: Partial<Record<keyof SecAggParameters, readonly unknown[]>> = {
    session: [new Uint8Array(31)],
    planHash: [new Uint8Array(33)],
    modelHash: [new Uint8Array(0)],
    round: [-1, 0.5, Number.NaN],
    length: [0, 2 ** 28 + 1, 1.5],
    bits: [0, 33],
    valueBound: [-1, 2 ** 17],
    minimumMembers: [2, 101],
    maximumMembers: [2, 1_000_001],
    minimumSurvivors: [1, 4],
  };
  for (const [field, values] of Object.entries(bad)) {
    for (const value of values) {
      const change = { [field]: value };
      t.throws(() => testParameters(change), { code: "BAD_PARAMETERS" }, `${field} = ${String(value)}`);
    }
  }
});
