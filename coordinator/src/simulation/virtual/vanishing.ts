import { SECURE_STEPS, type SecureStep } from "../../rounds/secure-group.js";

/**
 * The step at which a device vanishes.
 *
 * @param draw from 0 to below 1
 */
export function vanishingStep(isSecure: boolean, draw: number): SecureStep {
  if (!isSecure) return "masked";
  return SECURE_STEPS[Math.floor(draw * SECURE_STEPS.length)] ?? "masked";
}
