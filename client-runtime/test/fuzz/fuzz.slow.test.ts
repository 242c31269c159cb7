import { runTable } from "@fedloop/fuzz";
import t from "tap";
import { decoders } from "./table.js";

t.test(
  "whatever lies in a device's store, and whatever is answered to it, is read or refused in words of its own",
  async (t) => {
    await runTable(t, await decoders(), "long");
  },
);
