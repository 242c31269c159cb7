import {
  buildEntry,
  type Entry,
  type EntryBodies,
  encodeBase64Url,
  encodeVkey,
  entryLeafHash,
  leafHash,
  MerkleTree,
  type NoteSigner,
  noteSigner,
  parseEntry,
  signCheckpoint,
} from "@fedloop/consent";
import { generateNodeSigner, type NodeSigner } from "@fedloop/consent/node";

/** A receipt as the protocol carries it. */
export interface TestReceipt {
  entry: Uint8Array;
  index: bigint;
  inclusionPath: Uint8Array[];
  checkpoint: string;
}

let ids = 0;

/** 16 bytes, base64url, never the same twice. */
export function freshId(): string {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, ++ids);
  return encodeBase64Url(bytes);
}

/** A real log in memory: Merkle tree, signed checkpoints, entries signed by an operator. */
export class TestLog {
  readonly origin: string = "test.example/log";
  readonly operator: NodeSigner;
  readonly verifierKey: string;
  readonly entries: Uint8Array[] = [];
  readonly tree: MerkleTree = new MerkleTree();
  readonly #logKey: NodeSigner;
  readonly #noteSigner: NoteSigner;
  #chain: { next: number; previous: string | null } = { next: 0, previous: null };

  constructor(operator: NodeSigner = generateNodeSigner(), logKey: NodeSigner = generateNodeSigner()) {
    this.operator = operator;
    this.#logKey = logKey;
    this.#noteSigner = noteSigner(this.origin, logKey);
    this.verifierKey = encodeVkey(this.#noteSigner.key);
  }

  /** An empty log under the same name and keys: what a lying coordinator keeps beside the true one. */
  twin(): TestLog {
    return new TestLog(this.operator, this.#logKey);
  }

  /** Adds an entry that the operator writes. */
  async publish<T extends Exclude<keyof EntryBodies, `consent.${string}`>>(
    type: T,
    body: EntryBodies[T],
    signer: NodeSigner = this.operator,
  ): Promise<{ index: number; entry: Entry }> {
    const { next: aseq, previous: aprev } = this.#chain;
    const draft = { log: this.origin, id: freshId(), ts: 1, actor: "coordinator", aseq, aprev, type, body };
    const bytes = await buildEntry(draft as Parameters<typeof buildEntry>[0], signer);
    const entry = parseEntry(bytes);
    this.#chain = { next: aseq + 1, previous: entryLeafHash(entry) };
    return { index: this.append(bytes), entry };
  }

  append(bytes: Uint8Array): number {
    this.entries.push(bytes);
    return this.tree.append(leafHash(bytes));
  }

  checkpoint(size: number = this.tree.size): Promise<string> {
    return signCheckpoint({ origin: this.origin, size, root: this.tree.root(size) }, this.#noteSigner);
  }

  async receipt(index: number, size: number = this.tree.size): Promise<TestReceipt> {
    const entry = this.entries[index];
    if (entry === undefined) throw new RangeError(`no entry ${index}`);
    return {
      entry,
      index: BigInt(index),
      inclusionPath: this.tree.inclusionProof(index, size),
      checkpoint: await this.checkpoint(size),
    };
  }

  consistency(oldSize: number, newSize: number): { oldSize: bigint; newSize: bigint; path: Uint8Array[] } {
    const path = oldSize === 0 || oldSize === newSize ? [] : this.tree.consistencyProof(oldSize, newSize);
    return { oldSize: BigInt(oldSize), newSize: BigInt(newSize), path };
  }
}
