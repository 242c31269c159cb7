import { readFile, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { CoordinatorError } from "../errors.js";

/** Which columns of the file hold what. */
export interface RatingColumns {
  readonly participant: string;
  readonly item: string;
  readonly rating: string;
}

/** One participant's own ratings, in file order. */
export interface ParticipantRatings {
  readonly name: string;
  /** Positions in `items`. */
  readonly items: Int32Array;
  readonly ratings: Float32Array;
  /** 1 where the rating is held back for the test: every fifth one. */
  readonly held: Uint8Array;
}

export interface RatingsFile {
  /** Names of the items, in the order of their numbers. */
  readonly items: readonly string[];
  readonly participants: readonly ParticipantRatings[];
}

const MAX_FILE_BYTES = 256 << 20;
const HOLD_EVERY = 5;

/**
 * Reads ratings from a CSV file (gzipped when its name ends in .gz): a header line, then a line a rating.
 *
 * @throws CoordinatorError FILE_UNREADABLE, BAD_DATA with the line of what is wrong
 */
export async function readRatings(path: string, columns: RatingColumns): Promise<RatingsFile> {
  const lines = (await readText(path)).split("\n");
  if (lines.at(-1) === "") lines.pop();
  const header = (lines[0] ?? "").trimEnd().split(",");
  const position = (name: string): number => {
    const index = header.indexOf(name);
    if (index < 0) throw bad(path, 1, `a column "${name}"`, `the columns ${header.join(", ").slice(0, 200)}`);
    return index;
  };
  const at = [position(columns.participant), position(columns.item), position(columns.rating)] as const;
  const itemNumbers = new Map<string, number>();
  const rows = new Map<string, { items: number[]; ratings: number[] }>();
  for (let line = 1; line < lines.length; line++) {
    const cells = (lines[line] ?? "").trimEnd().split(",");
    if (cells.length !== header.length) throw bad(path, line + 1, `${header.length} cells`, `${cells.length}`);
    const [name = "", item = "", text = ""] = at.map((index) => cells[index] ?? "");
    const rating = Number(text);
    if (name === "" || item === "") throw bad(path, line + 1, "a participant and an item", "an empty cell");
    if (text === "" || !Number.isFinite(rating))
      throw bad(path, line + 1, "a number as the rating", `"${text.slice(0, 40)}"`);
    const number = itemNumbers.get(item) ?? itemNumbers.size;
    if (number === itemNumbers.size) itemNumbers.set(item, number);
    const own = rows.get(name) ?? { items: [], ratings: [] };
    own.items.push(number);
    own.ratings.push(rating);
    rows.set(name, own);
  }
  if (rows.size === 0) throw bad(path, 2, "at least one rating", "the end of the file");
  const participants = [...rows].map(([name, { items, ratings }]) => ({
    name,
    items: Int32Array.from(items),
    ratings: Float32Array.from(ratings),
    held: Uint8Array.from(items, (_, index) => (index % HOLD_EVERY === HOLD_EVERY - 1 ? 1 : 0)),
  }));
  return { items: [...itemNumbers.keys()], participants };
}

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) {
      throw new CoordinatorError("BAD_DATA", `expected a file of at most ${MAX_FILE_BYTES} bytes, ${path} has ${size}`);
    }
    const bytes = await readFile(path);
    const plain = path.endsWith(".gz") ? await promisify(gunzip)(bytes, { maxOutputLength: MAX_FILE_BYTES }) : bytes;
    return new TextDecoder("utf-8", { fatal: true }).decode(plain);
  } catch (cause) {
    if (cause instanceof CoordinatorError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CoordinatorError(
      "FILE_UNREADABLE",
      `expected ratings as CSV in ${path}, came "${reason}"; check the path`,
      {
        cause,
      },
    );
  }
}

function bad(path: string, line: number, expected: string, came: string): CoordinatorError {
  return new CoordinatorError("BAD_DATA", `${path}:${line}: expected ${expected}, came ${came}`);
}
