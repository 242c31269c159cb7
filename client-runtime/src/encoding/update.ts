import { decodeBase64Url } from "@fedloop/consent";
import {
  clipL2,
  clippingReport,
  encodeDistributed,
  PrivacyError,
  packSigned,
  quantise,
  type RandomSource,
} from "@fedloop/privacy";
import { ClientError } from "../errors.js";
import type { VerifiedPlan } from "../guard/offer.js";

/** Bytes of an update on the wire, as the plan implies. */
export function updateBytes({ body: { update } }: Pick<VerifiedPlan, "body">): number {
  return update.encoding === "float32" ? 4 * update.length : Math.ceil((update.length * update.bits) / 8);
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Little-endian floats: the array's own memory where the platform has it so. */
function floatBytes(values: Float32Array): Uint8Array {
  if (LITTLE_ENDIAN) return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const view = new DataView(new ArrayBuffer(values.byteLength));
  values.forEach((value, i) => {
    view.setFloat32(4 * i, value, true);
  });
  return new Uint8Array(view.buffer);
}

/**
 * Where the clip adapts: the update clipped to its own norm, and behind it whether that norm was short enough.
 *
 * @param update overwritten
 */
function withReport(update: Float32Array, { adaptive }: VerifiedPlan): Float32Array {
  if (adaptive === null) return update;
  const { norm } = clipL2(update, adaptive.clipNorm);
  const reported = new Float32Array(update.length + 1);
  reported.set(update);
  reported[update.length] = clippingReport(norm, adaptive.clipNorm) * adaptive.report;
  update.fill(0);
  return reported;
}

/** Numbers that training makes under a plan. */
export function trainedLength({ body, adaptive }: Pick<VerifiedPlan, "body" | "adaptive">): number {
  const length = body.update.dimension ?? body.update.length;
  return adaptive === null ? length : length - 1;
}

/**
 * The update as the integers that masks are added to: clipped to the plan's norm and rounded at random, with the
 * device's own noise where the plan has it so.
 *
 * @param trained as many numbers as training makes; overwritten
 * @param random for stochastic rounding, cryptographic
 * @throws ClientError WRONG_LENGTH, NON_FINITE, ENCODING
 */
export function quantiseUpdate(trained: Float32Array, plan: VerifiedPlan, random: RandomSource): Int32Array {
  requireLength(trained, plan);
  return encoded(() => {
    const { distributed } = plan;
    const update = withReport(trained, plan);
    // Rotated by the plan's own hash: the same on every device, and known only once the plan is in the log.
    if (distributed !== null) return encodeDistributed(update, distributed, decodeBase64Url(plan.leafHash), random);
    clipL2(update, plan.clipNorm);
    return quantise(update, plan.quantisation, random);
  });
}

/**
 * What leaves the device: the update clipped to the plan's norm, then rounded to integers at random and packed, or as
 * plain floats where the plan says so.
 *
 * @param trained as many numbers as training makes; overwritten
 * @param random for stochastic rounding, cryptographic
 * @throws ClientError WRONG_LENGTH, NON_FINITE, ENCODING
 */
export function encodeUpdate(trained: Float32Array, plan: VerifiedPlan, random: RandomSource): Uint8Array {
  requireLength(trained, plan);
  return encoded(() => {
    const update = withReport(trained, plan);
    // Also where the plan adds no noise: the clip bounds what one participant can do to the model.
    clipL2(update, plan.clipNorm);
    if (plan.body.update.encoding === "float32") return floatBytes(update);
    return packSigned(quantise(update, plan.quantisation, random), plan.quantisation.bits);
  });
}

function requireLength(update: Float32Array, plan: VerifiedPlan): void {
  const length = trainedLength(plan);
  if (update.length === length) return;
  throw new ClientError("WRONG_LENGTH", `expected an update of ${length} numbers, the trainer made ${update.length}`);
}

function encoded<Result>(encode: () => Result): Result {
  try {
    return encode();
  } catch (cause) {
    if (cause instanceof PrivacyError && cause.code === "NON_FINITE") {
      throw new ClientError(
        "NON_FINITE",
        "expected finite numbers in the update, training made others; nothing is sent",
      );
    }
    throw new ClientError("ENCODING", "the update does not fit the plan's encoding; nothing is sent", { cause });
  }
}
