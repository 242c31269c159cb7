import t from "tap";
import { loaded } from "../src/loading.js";

t.test("a part that cannot be fetched is something to try again, not a fault", async (t) => {
  t.equal(await loaded(async () => 7), 7);
  await t.rejects(
    loaded(() => Promise.reject(new TypeError("Failed to fetch dynamically imported module"))),
    { code: "UNAVAILABLE", cause: { message: /dynamically/ } },
  );
});
