import type { ConsentTerms } from "@fedloop/client-runtime";
import { PURPOSE } from "./serve.js";

/** A person who says yes to what is asked. */
export const WILLING: ConsentTerms = {
  purposes: [PURPOSE],
  decide: () => true,
  dataCategories: ["lecture ratings"],
  storage: "on the device",
  retention: "until withdrawn",
  jurisdiction: "CH",
  withdrawal: "in the app",
  interface: "test",
};
