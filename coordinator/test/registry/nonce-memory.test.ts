import { randomBytes } from "node:crypto";
import t from "tap";
import { NonceMemory } from "../../src/registry/nonce-memory.js";

const MINUTE_MS = 60_000;

t.test("what was used is known as long as its time is accepted, what was not is not", (t) => {
  const memory = new NonceMemory(5 * MINUTE_MS);
  const used: string[] = [];
  for (let i = 0; i < 20_000; i++) {
    const nonce = randomBytes(16).toString("base64url");
    if (!memory.use(nonce, i, 0)) t.fail("a fresh nonce counts as used");
    if (i % 100 === 0) used.push(nonce);
  }
  for (const [index, nonce] of used.entries()) {
    t.notOk(memory.use(nonce, index * 100, 5 * MINUTE_MS + index * 100));
  }
  t.end();
});

t.test("minutes that are over are dropped", (t) => {
  const memory = new NonceMemory(5 * MINUTE_MS);
  for (let minute = 0; minute < 1_000; minute++) {
    for (const offset of [-5, 0, 5]) {
      memory.use(`${minute} ${offset}`, (minute + offset) * MINUTE_MS, minute * MINUTE_MS);
    }
    if (memory.minutes > 12) t.fail(`${memory.minutes} minutes are kept`);
  }
  t.pass();
  t.end();
});
