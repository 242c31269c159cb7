import type { ParticipantRatings } from "./ratings.js";

/** What a server that took everyone's ratings would reach, for comparison. Root mean squared errors on held ratings. */
export interface ReferenceErrors {
  /** Predicting the mean of all training ratings. */
  readonly globalMean: number;
  /** The same model as the federated one, trained on the pooled ratings. */
  readonly central: number;
}

const SWEEPS = 30;
const ITEM_RIDGE = 5;
const USER_RIDGE = 12;

/**
 * Fits base + item effect + participant effect on pooled training ratings by alternating ridge regression. Only a
 * simulation can compute this: it holds all participants' data.
 *
 * @param items number of items
 */
export function referenceErrors(participants: readonly ParticipantRatings[], items: number): ReferenceErrors {
  const mean = meanRating(participants);
  const effects = new Float64Array(items);
  const own = new Float64Array(participants.length);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const sum = new Float64Array(items);
    const count = new Float64Array(items);
    participants.forEach((participant, index) => {
      const bias = own[index] ?? 0;
      forEachRating(participant, 0, (item, rating) => {
        sum[item] = (sum[item] ?? 0) + rating - mean - bias;
        count[item] = (count[item] ?? 0) + 1;
      });
    });
    for (let item = 0; item < items; item++) effects[item] = (sum[item] ?? 0) / ((count[item] ?? 0) + ITEM_RIDGE);
    participants.forEach((participant, index) => {
      let residual = 0;
      let rated = 0;
      forEachRating(participant, 0, (item, rating) => {
        residual += rating - mean - (effects[item] ?? 0);
        rated += 1;
      });
      own[index] = residual / (rated + USER_RIDGE);
    });
  }
  let squares = 0;
  let meanSquares = 0;
  let held = 0;
  participants.forEach((participant, index) => {
    forEachRating(participant, 1, (item, rating) => {
      squares += (rating - mean - (effects[item] ?? 0) - (own[index] ?? 0)) ** 2;
      meanSquares += (rating - mean) ** 2;
      held += 1;
    });
  });
  return { globalMean: Math.sqrt(meanSquares / held), central: Math.sqrt(squares / held) };
}

function meanRating(participants: readonly ParticipantRatings[]): number {
  let sum = 0;
  let count = 0;
  for (const participant of participants) {
    forEachRating(participant, 0, (_, rating) => {
      sum += rating;
      count += 1;
    });
  }
  return sum / count;
}

function forEachRating(
  { items, ratings, held }: ParticipantRatings,
  part: 0 | 1,
  visit: (item: number, rating: number) => void,
): void {
  for (let i = 0; i < items.length; i++) {
    if (held[i] === part) visit(items[i] ?? 0, ratings[i] ?? 0);
  }
}
