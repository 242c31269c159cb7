// What holds an offer against the device's own knowledge, with the accountant that it takes: a file of its own in a bundle,
// fetched with the first offer.
export { chargeFor, requireReadable, spentEpsilon, unitOf } from "./budget.js";
export { verifyOffer } from "./offer.js";
