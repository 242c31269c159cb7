import type { StateKeeper } from "../identity/device-state.js";

/** Ends the waiting for a round's end. */
export async function settleCharge(keeper: StateKeeper, round: number, isGivenBack: boolean): Promise<void> {
  const { charges } = keeper.current;
  await keeper.change({
    charges: isGivenBack
      ? charges.filter((charge) => charge.round !== round)
      : charges.map((charge) => (charge.round === round ? { ...charge, settled: true } : charge)),
  });
}
