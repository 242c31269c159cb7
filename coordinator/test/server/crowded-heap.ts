// Fills a heap, lets go of half of it, object by object, as connections that end do, and prints how much its pages take, in units of
// what is in use.
import { setImmediate as nextTurn } from "node:timers/promises";
import { getHeapSpaceStatistics } from "node:v8";
import { tuneHeap } from "../../src/server/heap.js";

const OBJECTS = 400_000;
const COLLECTIONS = 10;

if (process.argv.includes("tuned")) tuneHeap();
const crowd: (object | null)[] = Array.from({ length: OBJECTS }, (_, i) => ({
  i,
  numbers: new Array(25).fill(i + 0.5),
}));
globalThis.gc?.();
for (let i = 0; i < OBJECTS; i += 2) crowd[i] = null;
for (let i = 0; i < COLLECTIONS; i += 1) {
  globalThis.gc?.();
  // Whoever sets V8's flags is told of a collection in a later turn.
  await nextTurn();
}
const old = getHeapSpaceStatistics().find(({ space_name }) => space_name === "old_space");
if (old === undefined) throw new Error("expected a heap with an old space");
console.log((old.physical_space_size / old.space_used_size).toFixed(2));
if (crowd.length !== OBJECTS) throw new Error("expected the crowd to be kept");
