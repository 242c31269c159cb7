import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Ratings } from "@fedloop/client-runtime";
import { participate } from "../participate.js";

/** Lecturers in examples/small/plan.yaml. */
const LECTURERS = 20;

/** Ratings that differ from person to person and that are the same in every run: lecturers with high numbers are liked. */
export function ratingsOf(person: number): Ratings {
  const items = Int32Array.from({ length: 10 }, (_, i) => (3 * person + 7 * i) % LECTURERS);
  return {
    items,
    ratings: Float32Array.from(items, (item) => 1 + Math.floor((5 * item) / LECTURERS)),
    held: Uint8Array.from(items, (_, i) => (i % 5 === 4 ? 1 : 0)),
  };
}

/** So many people take part until the rounds are over. @returns what it cost each of them */
export function crowd(address: string, folder: string, people: number): Promise<number[]> {
  return Promise.all(
    Array.from({ length: people }, (_, person) =>
      participate(address, join(folder, `person-${person}`), new Uint8Array(randomBytes(32)), ratingsOf(person)),
    ),
  );
}
