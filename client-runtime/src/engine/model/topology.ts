// A layers model as its JSON describes it: the form of Keras, as `model.toJSON()` of TensorFlow.js gives it.
import * as z from "zod/mini";
import { ClientError } from "../../errors.js";

/** What a layer was built with, by Keras' names. */
export type LayerConfig = Readonly<Record<string, unknown>>;

/** A layer and where its inputs come from. */
export interface LayerNode {
  readonly name: string;
  readonly className: string;
  readonly config: LayerConfig;
  /** Names of the layers whose outputs it takes. */
  readonly inputs: readonly string[];
}

/** A model of one output: its layers in an order in which each comes after its inputs, save that weights follow `order`. */
export interface Topology {
  readonly layers: readonly LayerNode[];
  /** Names of the input layers, in the order in which a row of features holds their values. */
  readonly inputs: readonly string[];
  readonly output: string;
}

const named = z.looseObject({ name: z.string() });
const sequentialLayer = z.object({ class_name: z.string(), config: named });
const sequential = z.object({
  class_name: z.literal("Sequential"),
  config: z.looseObject({ layers: z.array(sequentialLayer) }),
});
/** Layer, number of its use, number of its output, and arguments. */
const connection = z.tuple([z.string(), z.literal(0), z.literal(0), z.optional(z.record(z.string(), z.unknown()))]);
const functionalLayer = z.object({
  name: z.string(),
  class_name: z.string(),
  config: named,
  inbound_nodes: z.array(z.array(connection)),
});
const end = z.tuple([z.string(), z.literal(0), z.literal(0)]);
const functional = z.object({
  class_name: z.enum(["Model", "Functional"]),
  config: z.looseObject({
    layers: z.array(functionalLayer),
    input_layers: z.array(end),
    output_layers: z.array(end).check(z.length(1)),
  }),
});
const model = z.discriminatedUnion("class_name", [sequential, functional]);

const INPUT = "input of the model";

function ofSequence(layers: readonly z.infer<typeof sequentialLayer>[]): Topology {
  const nodes: LayerNode[] = [];
  let before: string | undefined;
  const [first] = layers;
  if (first !== undefined && first.class_name !== "InputLayer") {
    const { batch_input_shape, input_length } = first.config;
    const shape = batch_input_shape ?? [null, ...(typeof input_length === "number" ? [input_length] : [])];
    nodes.push({ name: INPUT, className: "InputLayer", config: { batch_input_shape: shape }, inputs: [] });
    before = INPUT;
  }
  for (const { class_name, config } of layers) {
    nodes.push({ name: config.name, className: class_name, config, inputs: before === undefined ? [] : [before] });
    before = config.name;
  }
  return { layers: nodes, inputs: nodes.slice(0, 1).map(({ name }) => name), output: before ?? INPUT };
}

/**
 * Parses a model's JSON, as text or as the object.
 *
 * @throws ClientError BAD_OPTION when it is none, or one whose layers are shared or have several outputs
 */
export function parseTopology(json: unknown): Topology {
  const parsed = model.safeParse(typeof json === "string" ? parsedText(json) : json);
  if (!parsed.success) {
    throw new ClientError(
      "BAD_OPTION",
      `expected a layers model of one output in Keras' JSON: ${z.prettifyError(parsed.error)}`,
    );
  }
  if (parsed.data.class_name === "Sequential") return ofSequence(parsed.data.config.layers);
  const { layers, input_layers, output_layers } = parsed.data.config;
  const nodes = layers.map(({ name, class_name, config, inbound_nodes }): LayerNode => {
    if (inbound_nodes.length > 1) throw new ClientError("BAD_OPTION", `expected layer ${name} to be used once`);
    return { name, className: class_name, config, inputs: (inbound_nodes[0] ?? []).map(([from]) => from) };
  });
  return { layers: nodes, inputs: input_layers.map(([name]) => name), output: output_layers[0]?.[0] ?? "" };
}

function parsedText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ClientError("BAD_OPTION", "expected a layers model in Keras' JSON, came a text that is no JSON", {
      cause,
    });
  }
}
