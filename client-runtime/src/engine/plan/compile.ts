import type { TensorShape } from "../../models/safetensors.js";
import { layerCompilers } from "../layers/index.js";
import { shapeSetting } from "../layers/settings.js";
import type { LayerNode, Topology } from "../model/topology.js";
import {
  allocateBatch,
  type Batch,
  type CompiledLayer,
  type DescendedWeight,
  type LayerContext,
  type Operation,
  type SparseWeight,
  sizeOf,
  unsupported,
  type Weight,
} from "./step.js";

/** Floats that a vector of WebAssembly holds: buffers start at multiples of it. */
const LANES = 4;

/** A stretch of the weights that a plan treats in one way. */
export interface Stretch {
  readonly from: number;
  readonly count: number;
}

/** A model's training step as operations on one heap. */
export interface Plan {
  readonly batchSize: number;
  readonly manifest: readonly TensorShape[];
  /** All weights, flat, in the order of the manifest; and their gradient. */
  readonly weights: Stretch;
  readonly gradient: number;
  /** Within the weights: what training changes, and of it the tables, whose gradient `backward` scatters. */
  readonly trainable: Stretch;
  readonly tables: readonly Stretch[];
  /** Other stretches that `backward` itself moves where descent is direct. */
  readonly descended: readonly Stretch[];
  readonly inputs: readonly Batch[];
  readonly output: Batch;
  readonly targets: Batch;
  readonly outputGradient: number;
  readonly forward: readonly Operation[];
  readonly backward: readonly Operation[];
  /** What gradients go to: into the gradient, or, scaled, into tables and descended weights. Set before `backward`. */
  readonly descent: { direct: boolean; scale: number };
  /** Floats that the heap needs. */
  readonly length: number;
}

interface WeightRecord extends Weight {
  readonly name: string;
  readonly trainable: boolean;
}

class Planner implements LayerContext {
  readonly batchSize: number;
  readonly descent = { direct: false, scale: 0 };
  readonly tables: Stretch[] = [];
  readonly descended: Stretch[] = [];
  readonly #weights: ReadonlyMap<string, WeightRecord>;
  readonly #used: WeightRecord[] = [];
  layer = "";
  length: number;

  constructor(batchSize: number, from: number, weights: ReadonlyMap<string, WeightRecord>) {
    this.batchSize = batchSize;
    this.length = from;
    this.#weights = weights;
  }

  allocate(floats: number): number {
    const at = this.length;
    this.length += Math.ceil(floats / LANES) * LANES;
    return at;
  }

  weight(name: string, shape: readonly number[]): WeightRecord {
    const placed = this.#weights.get(`${this.layer}/${name}`);
    if (placed !== undefined) return placed;
    // A first pass only asks which weights there are.
    const weight = { name: `${this.layer}/${name}`, shape, size: sizeOf(shape), at: 0, gradient: 0, trainable: true };
    this.#used.push(weight);
    return weight;
  }

  descendedWeight(name: string, shape: readonly number[]): DescendedWeight {
    const weight = this.weight(name, shape);
    const { at, size, trainable } = weight;
    if (trainable) this.descended.push({ from: at, count: size });
    const { descent } = this;
    return { ...weight, factor: () => (descent.direct ? (trainable ? descent.scale : 0) : undefined) };
  }

  sparseWeight(name: string, shape: readonly [number, number]): SparseWeight {
    const { at, gradient, size, trainable } = this.weight(name, shape);
    if (!trainable) return { at, scatter: () => {} };
    this.tables.push({ from: at, count: size });
    const { descent } = this;
    return {
      at,
      scatter(kernels, from, ids, count, width) {
        if (descent.direct) kernels.scatterRows(at, from, ids, count, width, descent.scale);
        else kernels.scatterRows(gradient, from, ids, count, width, 1);
      },
    };
  }

  get used(): readonly WeightRecord[] {
    return this.#used;
  }
}

function compileLayer(node: LayerNode, inputs: readonly Batch[], planner: Planner): CompiledLayer {
  const compiler = layerCompilers[node.className];
  if (compiler === undefined) throw unsupported(`layers of class ${node.className}`);
  planner.layer = node.name;
  return compiler(node.config, inputs, planner);
}

/** Layers in an order in which each comes after its inputs. */
function inOrder(topology: Topology): LayerNode[] {
  const byName = new Map(topology.layers.map((node) => [node.name, node]));
  const done = new Set<string>();
  const order: LayerNode[] = [];
  const visit = (name: string): void => {
    if (done.has(name)) return;
    done.add(name);
    const node = byName.get(name);
    if (node === undefined) throw unsupported(`a model without its layer ${name}`);
    node.inputs.forEach(visit);
    order.push(node);
  };
  visit(topology.output);
  return order;
}

interface Placed {
  readonly node: LayerNode;
  readonly compiled: CompiledLayer;
}

function forwardPass(
  topology: Topology,
  planner: Planner,
): { readonly placed: readonly Placed[]; readonly values: ReadonlyMap<string, Batch> } {
  const values = new Map<string, Batch>();
  const placed: Placed[] = [];
  for (const node of inOrder(topology)) {
    if (node.className === "InputLayer") {
      values.set(node.name, allocateBatch(planner, shapeSetting(node.config, "batch_input_shape", 1)));
      continue;
    }
    const inputs = node.inputs.map((name) => values.get(name) ?? allocateBatch(planner, []));
    const compiled = compileLayer(node, inputs, planner);
    values.set(node.name, compiled.output);
    placed.push({ node, compiled });
  }
  return { placed, values };
}

/** All weights where TensorFlow.js has them: those that are trained in the order of the layers, then the others. */
function placeWeights(topology: Topology, from: number): ReadonlyMap<string, WeightRecord> {
  const planner = new Planner(1, 0, new Map());
  forwardPass(topology, planner);
  const frozen = new Set(topology.layers.filter(({ config }) => config.trainable === false).map(({ name }) => name));
  const rank = new Map(
    topology.layers.map(({ name }, i) => [name, i + (frozen.has(name) ? topology.layers.length : 0)]),
  );
  const layerOf = ({ name }: WeightRecord): string => name.slice(0, name.lastIndexOf("/"));
  const ordered = planner.used.toSorted((a, b) => (rank.get(layerOf(a)) ?? 0) - (rank.get(layerOf(b)) ?? 0));
  const total = ordered.reduce((sum, { size }) => sum + size, 0);
  const gradients = Math.ceil(total / LANES) * LANES;
  const placed = new Map<string, WeightRecord>();
  let at = from;
  for (const weight of ordered) {
    placed.set(weight.name, { ...weight, at, gradient: at + gradients, trainable: !frozen.has(layerOf(weight)) });
    at += weight.size;
  }
  return placed;
}

/** The backward pass: operations from the output to the inputs, with room for every gradient on the way. */
function backwardPass(
  topology: Topology,
  placed: readonly Placed[],
  values: ReadonlyMap<string, Batch>,
  outputGradient: number,
  planner: Planner,
): Operation[] {
  const operations: Operation[] = [];
  const gradients = new Map<string, number[]>([[topology.output, [outputGradient]]]);
  const isInput = new Set(topology.inputs);
  for (const { node, compiled } of placed.toReversed()) {
    const [first, ...others] = gradients.get(node.name) ?? [];
    if (first === undefined) throw unsupported(`a layer ${node.name} that leads nowhere`);
    const { size } = compiled.output;
    for (const other of others) {
      operations.push((kernels, examples) => kernels.addScaled(first, other, examples * size, 1));
    }
    const inputGradients = node.inputs.map((name) => {
      // Nobody learns from the gradient of features, or of what integers they are.
      if (isInput.has(name)) return undefined;
      const gradient = planner.allocate((values.get(name)?.size ?? 0) * planner.batchSize);
      gradients.set(name, [...(gradients.get(name) ?? []), gradient]);
      return gradient;
    });
    planner.layer = node.name;
    operations.push(compiled.backward(first, inputGradients));
  }
  return operations;
}

/**
 * Lays a training step out: forward, loss, backward, with typed places for everything, once.
 *
 * @param batchSize the most examples of a step
 * @param firstFree floats at the heap's beginning that are not this plan's
 * @throws ClientError GUARD_UNSUPPORTED when the model has a layer, or an option of one, that this engine lacks
 */
export function compilePlan(topology: Topology, batchSize: number, firstFree: number): Plan {
  const weights = placeWeights(topology, firstFree);
  const records = [...weights.values()];
  const total = records.reduce((sum, { size }) => sum + size, 0);
  const padded = Math.ceil(total / LANES) * LANES;
  const planner = new Planner(batchSize, firstFree + 2 * padded, weights);
  const { placed, values } = forwardPass(topology, planner);
  const output = values.get(topology.output);
  if (output === undefined) throw unsupported("a model without layers");
  const outputGradient = planner.allocate(output.size * batchSize);
  const targets = allocateBatch(planner, output.shape);
  const backward = backwardPass(topology, placed, values, outputGradient, planner);
  return {
    batchSize,
    manifest: records.map(({ name, shape }) => ({ name, shape: [...shape] })),
    weights: { from: firstFree, count: total },
    gradient: firstFree + padded,
    trainable: {
      from: firstFree,
      count: records.reduce((sum, { size, trainable }) => sum + (trainable ? size : 0), 0),
    },
    tables: planner.tables,
    descended: planner.descended,
    inputs: topology.inputs.map((name) => values.get(name) ?? allocateBatch(planner, [])),
    output,
    targets,
    outputGradient,
    forward: placed.map(({ compiled }) => compiled.forward),
    backward,
    descent: planner.descent,
    length: planner.length,
  };
}
