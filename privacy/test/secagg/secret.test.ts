import { inspect } from "node:util";
import t from "tap";
import { Secret, Turn } from "../../src/secagg/secret.js";

t.test("an erased secret is overwritten and cannot be read", async (t) => {
  const bytes = Uint8Array.of(1, 2, 3);
  const secret = new Secret(bytes);
  t.equal(secret.bytes, bytes);
  t.notOk(secret.erased);
  secret.erase();
  secret.erase();
  t.ok(secret.erased);
  t.strictSame([...bytes], [0, 0, 0]);
  t.throws(() => secret.bytes, { code: "SECRET_ERASED" });
});

t.test("a secret does not show its bytes when it is printed", async (t) => {
  const secret = new Secret(Uint8Array.of(113, 131));
  t.notMatch(`${inspect(secret, { depth: 9, showHidden: true })} ${JSON.stringify({ secret })} ${secret}`, /113|131/);
});

t.test("a turn is taken once", async (t) => {
  const turn = new Turn();
  turn.take("unmask");
  t.throws(() => turn.take("unmask"), { code: "WRONG_STATE", message: /"unmask" was answered before/ });
});
