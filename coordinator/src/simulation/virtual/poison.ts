import type { Attack } from "../../plan/simulation-schema.js";
import type { SeededRandom } from "../seeded-random.js";

/** Whether a poisoned device trains on labels that are mirrored: class c as class k − 1 − c. */
export function flipsLabels(attack: Attack): boolean {
  return attack === "label-flip" || attack === "scaled";
}

/**
 * What a poisoned device makes of its update, in place, before it is clipped: a device that did not clip would be found out where
 * updates are quantised, and have no reason to where nobody looks. `label-flip` leaves updates as they are; `scaled` lengthens one
 * that was trained on mirrored labels, which without a clip puts another model in place of the round's (Bagdasaryan et al. 2020).
 *
 * @param scale how many times as long the update becomes; with `noise`, its norm over √length
 */
export function poisonUpdate(trained: Float32Array, attack: Attack, scale: number, random: SeededRandom): void {
  if (attack === "label-flip") return;
  for (let i = 0; i < trained.length; i++) {
    const value = trained[i] ?? 0;
    trained[i] = attack === "noise" ? scale * random.normal() : (attack === "sign-flip" ? -scale : scale) * value;
  }
}
