/** A plan's section `simulation`: the devices, data and faults that `fedloop simulate` puts in place of real ones. */
import * as z from "zod";
import { above, between, duration, integer, oneOf, section, text } from "../config/fields.js";

export const ATTACKS = ["sign-flip", "scaled", "label-flip", "noise"] as const;

/**
 * What a poisoned device does: `sign-flip` and `noise` to its update before it is clipped, `label-flip` to its data, `scaled` to
 * both.
 */
export type Attack = (typeof ATTACKS)[number];

export const LOSSES = ["categoricalCrossentropy", "meanSquaredError"] as const;

export const MASKS = ["full", "none"] as const;

export interface WrittenSimulation {
  readonly devices: number;
  readonly seed: number;
  readonly data:
    | { readonly type: "fashion-mnist"; readonly folder: string }
    | {
        readonly type: "synthetic";
        readonly classes: number;
        readonly features: number;
        readonly examples: number;
        readonly separation: number;
      };
  /** Path of a model in Keras' JSON, relative to the plan; left out for dense layers. */
  readonly model?: string | undefined;
  /** Units of hidden dense layers. */
  readonly layers: readonly number[];
  readonly loss: (typeof LOSSES)[number];
  readonly partition: { readonly type: "dirichlet" | "iid"; readonly alpha: number };
  /** Part of the cohort that vanishes in each round, at a step drawn at random. */
  readonly dropout: number;
  /** Median time from the offer to the update, milliseconds; it varies from round to round. */
  readonly trainingTime: number;
  readonly stragglers: { readonly fraction: number; readonly slowdown: number };
  /** Whether devices agree on masks, or what they would mask is added up as it is; by the plan's size unless given. */
  readonly masks?: (typeof MASKS)[number] | undefined;
  readonly poisoned: { readonly fraction: number; readonly attack: Attack; readonly scale: number };
}

const MAX_DEVICES = 1_000_000;

const layers = { error: "a list of up to 8 whole numbers from 1 to 4096, as in [64]" };

const data = z.discriminatedUnion(
  "type",
  [
    section({
      type: z.literal("fashion-mnist"),
      folder: text(1_000).default("/usr/share/datasets/fashion-mnist"),
    }),
    section({
      type: z.literal("synthetic"),
      classes: integer(2, 100).default(10),
      features: integer(1, 10_000).default(20),
      examples: integer(10, 1_000_000).default(5_000),
      separation: above(0, 100).default(2),
    }),
  ],
  { error: "a mapping whose type is fashion-mnist or synthetic" },
);

export const simulationSchema: z.ZodType<WrittenSimulation> = section({
  devices: integer(1, MAX_DEVICES),
  seed: integer(0, 2 ** 32 - 1).default(1),
  data,
  model: text(1_000).optional(),
  layers: z.array(integer(1, 4_096), layers).max(8, layers).default([]),
  loss: oneOf(LOSSES).default("categoricalCrossentropy"),
  partition: section({
    type: oneOf(["dirichlet", "iid"]).default("dirichlet"),
    alpha: above(0, 1e6).default(0.5),
  }).prefault({}),
  dropout: between(0, 0.9).default(0),
  trainingTime: duration().prefault("30s"),
  masks: oneOf(MASKS).optional(),
  stragglers: section({
    fraction: between(0, 1).default(0),
    slowdown: between(1, 1_000).default(10),
  }).prefault({}),
  poisoned: section({
    fraction: between(0, 1).default(0),
    attack: oneOf(ATTACKS).default("sign-flip"),
    scale: above(0, 1e6).default(10),
  }).prefault({}),
});
