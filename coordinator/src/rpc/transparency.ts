import type { Transparency } from "@fedloop/proto";
import { CoordinatorError } from "../errors.js";
import type { Ledger } from "../ledger/ledger.js";
import { closeIndex } from "../rounds/logged-round.js";
import type { Store } from "../store/database.js";
import type { ServiceHandlers } from "./service.js";

/** fedloop.v1.Transparency: open to everyone. */
export function transparencyService({
  ledger,
  store,
}: {
  readonly ledger: Ledger;
  readonly store: Pick<Store, "db">;
}): ServiceHandlers<typeof Transparency, "getCheckpoint" | "getInclusionProof" | "getConsistencyProof"> {
  return {
    getCheckpoint() {
      return { checkpoint: ledger.checkpoint().text };
    },
    async getInclusionProof(request) {
      if (request.closedPlan.length > 0) {
        const index = await closeIndex(store, request.closedPlan);
        if (index !== undefined) return { receipt: (await receiptOf(ledger, index)).message };
        throw new CoordinatorError("NOT_FOUND", "expected the plan of a round that has been closed, came another hash");
      }
      await ledger.expectSize(Number(request.treeSize));
      const size = ledger.checkpoint().size;
      if (request.index >= BigInt(size) || (request.treeSize !== 0n && request.treeSize !== BigInt(size))) {
        throw new CoordinatorError(
          "OUT_OF_RANGE",
          `expected an index below ${size} in the newest tree, of ${size} entries; tiles serve older trees`,
        );
      }
      return { receipt: (await receiptOf(ledger, Number(request.index))).message };
    },
    async getConsistencyProof(request) {
      await ledger.expectSize(Math.max(Number(request.newSize), Number(request.oldSize)));
      const { size, text } = ledger.checkpoint();
      const newSize = request.newSize === 0n ? BigInt(size) : request.newSize;
      if (newSize > BigInt(size) || request.oldSize > newSize) {
        throw new CoordinatorError("OUT_OF_RANGE", `expected sizes in order and at most ${size}`);
      }
      return {
        proof: consistencyMessage(ledger, Number(request.oldSize), Number(newSize)),
        checkpoint: text,
      };
    },
  };
}

/** A `LogReceipt` message, and the size of the tree that it proves inclusion in. */
export interface ReceiptMessage {
  readonly message: {
    readonly entry: Uint8Array;
    readonly index: bigint;
    readonly inclusionPath: Uint8Array[];
    readonly checkpoint: string;
  };
  readonly size: number;
}

/** An entry with its proof in the newest checkpoint's tree. @throws CoordinatorError OUT_OF_RANGE */
export async function receiptOf(ledger: Ledger, index: number): Promise<ReceiptMessage> {
  const { entry, path, checkpoint, size } = await ledger.receipt(index);
  return { message: { entry, index: BigInt(index), inclusionPath: [...path], checkpoint }, size };
}

/** A `ConsistencyProof`; empty from the empty tree, which every tree extends. */
export function consistencyMessage(
  ledger: Ledger,
  oldSize: number,
  newSize: number,
): { oldSize: bigint; newSize: bigint; path: Uint8Array[] } {
  const path = oldSize === 0 || oldSize === newSize ? [] : [...ledger.consistency(oldSize, newSize)];
  return { oldSize: BigInt(oldSize), newSize: BigInt(newSize), path };
}
