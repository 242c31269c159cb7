import * as z from "zod";
import { type DriftReport, driftReports } from "../../analytics/drift.js";
import type { ZodRoutes } from "../zod-routes.js";
import { type AnalyticsDependencies, addList } from "./list.js";
import { journalIndex } from "./numbers.js";

const divergenceSchema = z.object({
  value: z.number(),
  threshold: z.number().describe("what people and noise alone exceed in 5 of 1 000 turns"),
});

const driftSchema = z
  .object({
    population: z.string(),
    query: z.string(),
    found: z.int().describe("drifts so far"),
    looks: z.array(
      z.object({
        turn: z.int(),
        round: z.int(),
        reference: z.int().describe("the turn that it is compared with"),
        journal: z.object({ present: journalIndex, reference: journalIndex }),
        fewestDevices: z
          .int()
          .describe("that a turn needs for its noise, if they fall evenly into two halves of the bins"),
        isDrift: z.boolean(),
        drift: z
          .object({
            pValue: z.number(),
            bins: z.int().describe("that were compared: those of too few people for their noise are put together"),
            jensenShannon: divergenceSchema,
            stabilityIndex: divergenceSchema,
          })
          .nullable()
          .describe("null where noise leaves nothing to compare"),
      }),
    ),
  })
  .meta({ id: "Drift" });

function driftResource({ population, name, found, looks }: DriftReport): z.input<typeof driftSchema> {
  return {
    population,
    query: name,
    found,
    looks: looks.map(({ drift, ...look }) => ({ ...look, isDrift: drift?.isDrift === true, drift })),
  };
}

/** Whether what devices answer has moved. */
export function addDrift(app: ZodRoutes, deps: AnalyticsDependencies): void {
  addList(app, deps, {
    path: "/drift",
    operationId: "listDrift",
    summary: "Histograms and categories that were asked more than once, each turn against its reference",
    item: driftSchema,
    read: (answers) => driftReports(answers).map(driftResource),
  });
}
