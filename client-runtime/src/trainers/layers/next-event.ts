import { ClientError } from "../../errors.js";
import type { TensorShape } from "../../models/safetensors.js";
import { compiledTrainer } from "./compiled-trainer.js";
import type { Examples } from "./examples.js";
import type { LayersTrainer } from "./layers-trainer.js";

/** A model that predicts a participant's next event from those before. */
export interface NextEventModel {
  /** Kinds of events, numbered from 1; 0 stands for "none yet". */
  readonly kinds: number;
  /** How many events back the model looks. */
  readonly window: number;
  /** Numbers that stand for an event, and that the recurrent layer keeps. */
  readonly width: number;
  readonly units: number;
}

/** One participant's events and the model. */
export interface NextEventOptions extends NextEventModel {
  /** What plans for this trainer name; "next-event" unless given. */
  readonly id?: string;
  /** Kinds from 1, the oldest first. */
  readonly events: Int32Array;
  /** How many of the latest events are kept for evaluation. */
  readonly held?: number;
}

/** The model in Keras' JSON: an embedding, a gated recurrent unit and a softmax over the kinds. */
export function nextEventTopology({ kinds, window, width, units }: NextEventModel): object {
  return {
    class_name: "Sequential",
    config: {
      name: "next-event",
      layers: [
        layer("Embedding", { input_dim: kinds + 1, output_dim: width, input_length: window }),
        layer("GRU", { units, activation: "tanh", recurrent_activation: "sigmoid", use_bias: true }),
        layer("Dense", { units: kinds, activation: "softmax", use_bias: true }),
      ],
    },
  };
}

function layer(className: string, config: object): object {
  return { class_name: className, config: { name: className.toLowerCase(), ...config } };
}

/** Names and shapes of the model's tensors: what a plan's model file has. */
export function nextEventManifest({ kinds, width, units }: NextEventModel): TensorShape[] {
  return [
    { name: "embedding", shape: [kinds + 1, width] },
    { name: "gru.kernel", shape: [width, 3 * units] },
    { name: "gru.recurrent", shape: [units, 3 * units] },
    { name: "gru.bias", shape: [3 * units] },
    { name: "dense.kernel", shape: [units, kinds] },
    { name: "dense.bias", shape: [kinds] },
  ];
}

/** Each event as a label, with the `window` events before it as features. */
function windowsOf({ events, window, kinds }: NextEventOptions, from: number, to: number): Examples {
  const features = new Float32Array((to - from) * window);
  const labels = new Float32Array((to - from) * kinds);
  for (let at = from; at < to; at++) {
    const row = at - from;
    for (let back = 1; back <= Math.min(window, at); back++) {
      features[(row + 1) * window - back] = events[at - back] ?? 0;
    }
    labels[row * kinds + (events[at] ?? 1) - 1] = 1;
  }
  return { features, featureShape: [window], labels, labelShape: [kinds] };
}

/**
 * Trains and evaluates a model of a participant's next event, compiled, without TensorFlow.js. Parameters, update,
 * evaluation and settings are those of `compiledTrainer`; the second number of an evaluation is the share of events
 * predicted right.
 *
 * @throws ClientError BAD_OPTION when an event is no kind from 1 to `kinds`, or more events are held back than there are
 */
export function nextEventTrainer(options: NextEventOptions): LayersTrainer {
  const { events, kinds, held = 0, id = "next-event" } = options;
  if (events.some((event) => event < 1 || event > kinds)) {
    throw new ClientError("BAD_OPTION", `expected events of kinds 1 to ${kinds}, came another`);
  }
  if (!Number.isInteger(held) || held < 0 || held > events.length) {
    throw new ClientError("BAD_OPTION", `expected at most ${events.length} events to be held back, came ${held}`);
  }
  const middle = events.length - held;
  return compiledTrainer({
    id,
    topology: nextEventTopology(options),
    loss: "categoricalCrossentropy",
    examples: windowsOf(options, 0, middle),
    held: windowsOf(options, held === 0 ? 0 : middle, events.length),
  });
}
