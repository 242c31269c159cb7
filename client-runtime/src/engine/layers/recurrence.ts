import type { ActivationKind } from "../kernels/kernels.js";
import type { LayerConfig } from "../model/topology.js";
import { type Batch, type LayerContext, onlyInput, requireUnset, unsupported, type Weight } from "../plan/step.js";
import { countSetting, flagSetting, pointwiseSetting } from "./settings.js";

/** What recurrent layers have in common. */
export interface Recurrence {
  readonly input: Batch;
  readonly steps: number;
  /** Numbers of a step of the input. */
  readonly width: number;
  readonly units: number;
  /** Numbers of all gates of a step. */
  readonly gates: number;
  readonly kind: ActivationKind;
  readonly gateKind: ActivationKind;
  readonly kernel: Weight;
  readonly recurrent: Weight;
  readonly bias: Weight | undefined;
  /** Whether the states of all steps are the output, or the last one's. */
  readonly whole: boolean;
}

/** Options that change what a recurrent layer computes in a way that is not compiled. */
const REFUSED = [
  "dropout",
  "recurrent_dropout",
  "go_backwards",
  "stateful",
  "return_state",
  "unroll",
  "reset_after",
] as const;

/** Reads a recurrent layer's configuration and places its weights. @throws ClientError GUARD_UNSUPPORTED */
export function recurrenceOf(
  config: LayerConfig,
  inputs: readonly Batch[],
  context: LayerContext,
  gatesOfUnit: number,
): Recurrence {
  requireUnset(config, ...REFUSED);
  const input = onlyInput(inputs);
  const [steps, width, ...more] = input.shape;
  if (steps === undefined || width === undefined || more.length > 0) {
    throw unsupported("a sequence that is not steps × width");
  }
  const units = countSetting(config, "units");
  const gates = gatesOfUnit * units;
  return {
    input,
    steps,
    width,
    units,
    gates,
    kind: pointwiseSetting(config, "activation"),
    gateKind: pointwiseSetting(config, "recurrent_activation"),
    kernel: context.weight("kernel", [width, gates]),
    recurrent: context.weight("recurrent_kernel", [units, gates]),
    bias: flagSetting(config, "use_bias", true) ? context.weight("bias", [gates]) : undefined,
    whole: flagSetting(config, "return_sequences", false),
  };
}
