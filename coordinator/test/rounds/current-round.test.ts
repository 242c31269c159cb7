import t from "tap";
import { excludeFrom, leaveRound, selectFrom } from "../../src/rounds/current-round.js";
import type { Eligible } from "../../src/rounds/eligibility.js";

const DEVICE = { id: "id", population: "p", publicKey: new Uint8Array(32), session: "s", sessionExpiresMs: 0 };
const [anna, ben] = [
  { ...DEVICE, subject: "anna" },
  { ...DEVICE, subject: "ben" },
];

function eligible(): Eligible {
  const members = new Map([
    ["anna", 1],
    ["ben", 2],
  ]);
  return { members, treeSize: 3, consenting: ["anna", "ben"], untilMs: Number.POSITIVE_INFINITY };
}

function round(): Parameters<typeof selectFrom>[0] & { readonly expected: number[] } {
  const expected: number[] = [];
  const engine = { leave: () => undefined, expectAtMost: (devices: number) => expected.push(devices) };
  return { engine, expected, eligible: undefined, declined: new Set(), withdrawn: new Set() };
}

t.test("who withdraws while the participants are looked up is not waited for, and has no way in", async (t) => {
  const current = round();
  excludeFrom(current, anna);
  selectFrom(current, eligible());
  t.same(current.expected, [1]);
  t.same([...(current.eligible?.members.keys() ?? [])], ["ben"]);
});

t.test("who leaves is not waited for, and may come back; who withdraws may not", async (t) => {
  const current = round();
  selectFrom(current, eligible());
  leaveRound(current, anna);
  excludeFrom(current, ben);
  t.same(current.expected, [2, 1, 0]);
  t.same([...(current.eligible?.members.keys() ?? [])], ["anna"]);
});
