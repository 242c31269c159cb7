import type { Fuzzed } from "@fedloop/fuzz";
import { consentTable } from "./consent-table.js";
import { modelTable, writtenTable } from "./coordinator-table.js";
import { groupTable } from "./group-table.js";
import { messageTable } from "./message-table.js";
import { privacyTable } from "./privacy-table.js";
import { protoTable } from "./proto-table.js";
import { storedTable } from "./stored-table.js";

/**
 * All decoders that read what others wrote, with their seed corpus; those of @fedloop/client-runtime's and @fedloop/feedback's own
 * are beside them. What is served is in served.ts.
 *
 * @param folder with the notice that the plan names
 */
export async function decoders(folder: string): Promise<Fuzzed[]> {
  return [
    ...protoTable(),
    ...privacyTable(),
    ...(await consentTable()),
    ...(await groupTable()),
    ...modelTable(),
    ...writtenTable(folder),
    ...storedTable(folder),
    ...messageTable(),
  ];
}
