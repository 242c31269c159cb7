import { createHash } from "node:crypto";
import t from "tap";
import type { OpenArtifact } from "../../src/models/artifact-store.js";
import { ModelChunks } from "../../src/rpc/model-chunks.js";

const MODEL_BYTES = 100;
const FIRST = 1;
const CANARY = 2;
const TRAINED = 3;
const NEXT = 4;

/** Models of 100 bytes, each the same byte, and how often each was opened. */
class Files {
  readonly opened: number[] = [];
  readonly #chunks: ModelChunks;

  constructor(populations = 1, maximumBytes?: number) {
    this.#chunks = new ModelChunks(populations, maximumBytes);
  }

  /** Downloads a model. */
  async get(model: number, bytes = MODEL_BYTES): Promise<Buffer> {
    const file = new Uint8Array(bytes).fill(model);
    const sha256 = createHash("sha256").update(file).digest();
    const pieces: Uint8Array[] = [];
    for await (const { data } of this.#chunks.from(sha256, () => this.#open(model, file), 0)) pieces.push(data);
    return Buffer.concat(pieces);
  }

  async #open(model: number, file: Uint8Array): Promise<OpenArtifact> {
    this.opened.push(model);
    const close = async (): Promise<void> => {};
    return {
      totalBytes: file.length,
      read: async (offset, length) => file.slice(offset, offset + length),
      close,
      [Symbol.asyncDispose]: close,
    };
  }
}

t.test("what rounds train, a canary and the live model do not push each other out", async (t) => {
  const files = new Files();
  for (let i = 0; i < 5; i++) {
    for (const model of [FIRST, CANARY, TRAINED]) {
      t.same(await files.get(model), Buffer.alloc(MODEL_BYTES, model));
    }
  }
  t.strictSame(files.opened, [FIRST, CANARY, TRAINED]);
});

t.test("a new model takes the place of the one that was asked for longest ago", async (t) => {
  const files = new Files();
  for (const model of [FIRST, CANARY, TRAINED, FIRST, NEXT, FIRST, NEXT, TRAINED, CANARY]) await files.get(model);
  t.strictSame(files.opened, [FIRST, CANARY, TRAINED, NEXT, CANARY]);
});

t.test("all kept models together stay within their bytes", async (t) => {
  const files = new Files(4, 2 * MODEL_BYTES);
  for (const model of [FIRST, CANARY, FIRST, TRAINED, FIRST, TRAINED]) await files.get(model);
  t.strictSame(files.opened, [FIRST, CANARY, TRAINED], "a third lets go of the second");
  await files.get(CANARY);
  t.strictSame(files.opened.at(-1), CANARY);
});

t.test("a model above the bytes is read each time, and leaves the others where they are", async (t) => {
  const files = new Files(4, 2 * MODEL_BYTES);
  await files.get(FIRST);
  const large = 3 * MODEL_BYTES;
  t.same(await files.get(CANARY, large), Buffer.alloc(large, CANARY));
  t.same(await files.get(CANARY, large), Buffer.alloc(large, CANARY));
  files.opened.length = 0;
  await files.get(FIRST);
  t.strictSame(files.opened, []);
});

t.test("devices that ask at once share one reading", async (t) => {
  const files = new Files();
  await Promise.all([FIRST, CANARY, FIRST, CANARY, FIRST].map((model) => files.get(model)));
  t.strictSame(files.opened, [FIRST, CANARY]);
});

t.test("what could not be read is read again", async (t) => {
  const chunks = new ModelChunks(1);
  const fails = async () => {
    throw new Error("no such file");
  };
  await t.rejects(chunks.inline(new Uint8Array(32), fails), { message: "no such file" });
  const file = Uint8Array.of(1, 2, 3);
  const close = async (): Promise<void> => {};
  const opens = async (): Promise<OpenArtifact> => ({
    totalBytes: 3,
    read: async () => file,
    close,
    [Symbol.asyncDispose]: close,
  });
  t.same(await chunks.inline(new Uint8Array(32), opens), file);
});
