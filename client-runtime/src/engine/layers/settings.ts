// What a layer's configuration says, read once. Keras' names and defaults.
import { type ActivationKind, activations } from "../kernels/kernels.js";
import type { LayerConfig } from "../model/topology.js";
import { unsupported } from "../plan/step.js";

const KINDS: Readonly<Record<string, ActivationKind>> = {
  linear: activations.linear,
  relu: activations.relu,
  sigmoid: activations.sigmoid,
  tanh: activations.tanh,
  hard_sigmoid: activations.hardSigmoid,
  hardSigmoid: activations.hardSigmoid,
  elu: activations.elu,
  relu6: activations.relu6,
};

/** @throws ClientError GUARD_UNSUPPORTED */
export function activationSetting(config: LayerConfig, name = "activation"): ActivationKind | "softmax" {
  const value = config[name] ?? "linear";
  const kind = typeof value === "string" ? KINDS[value] : undefined;
  if (kind !== undefined) return kind;
  if (value === "softmax") return "softmax";
  throw unsupported(`the activation ${JSON.stringify(value)}`);
}

/** An activation that works number by number. @throws ClientError GUARD_UNSUPPORTED */
export function pointwiseSetting(config: LayerConfig, name: string): ActivationKind {
  const kind = activationSetting(config, name);
  if (kind === "softmax") throw unsupported(`softmax as ${name}`);
  return kind;
}

/** @throws ClientError GUARD_UNSUPPORTED when it is no count */
export function countSetting(config: LayerConfig, name: string, otherwise?: number): number {
  const value = config[name] ?? otherwise;
  if (typeof value === "number" && Number.isInteger(value) && value > 0) return value;
  throw unsupported(`${name} ${JSON.stringify(value)}`);
}

/** Rows and columns. @throws ClientError GUARD_UNSUPPORTED */
export function pairSetting(config: LayerConfig, name: string, otherwise: number): readonly [number, number] {
  const value = config[name] ?? otherwise;
  if (typeof value === "number") return [value, value];
  if (Array.isArray(value)) {
    const [rows, columns]: unknown[] = value;
    if (typeof rows === "number" && typeof columns === "number") return [rows, columns];
  }
  throw unsupported(`${name} ${JSON.stringify(value)}`);
}

/** A shape without the extent of the batch. @throws ClientError GUARD_UNSUPPORTED when an extent is open */
export function shapeSetting(config: LayerConfig, name: string, skip: number): number[] {
  const value = config[name];
  if (!Array.isArray(value)) throw unsupported(`an input without a shape: give inputShape or inputLength`);
  return value.slice(skip).map((extent: unknown) => {
    if (typeof extent === "number" && Number.isInteger(extent)) return extent;
    throw unsupported("an extent that is open; give inputShape or inputLength");
  });
}

export function flagSetting(config: LayerConfig, name: string, otherwise: boolean): boolean {
  const value = config[name] ?? otherwise;
  return value === true;
}
