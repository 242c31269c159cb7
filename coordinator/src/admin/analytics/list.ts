import * as z from "zod";
import type { AnsweredQuery } from "../../analytics/results.js";
import type { AdminDependencies } from "../dependencies.js";
import type { ZodRoutes } from "../zod-routes.js";

/** What the API is made of, and what devices have answered so far. */
export interface AnalyticsDependencies extends AdminDependencies {
  readonly answersOf: (population: string) => Promise<readonly AnsweredQuery[]>;
}

/** A list that is read from what devices have answered. */
export interface AnswerList<Item> {
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly item: z.ZodType<unknown, Item>;
  readonly read: (answers: readonly AnsweredQuery[], deps: AdminDependencies) => Promise<Item[]> | Item[];
}

/** Serves a list: of all populations that who asks may see, or of one of them. */
export function addList<Item>(app: ZodRoutes, deps: AnalyticsDependencies, list: AnswerList<Item>): void {
  const { path, operationId, summary, item, read } = list;
  const { guard, maySee, populations, answersOf } = deps;
  app.get(
    path,
    {
      onRequest: guard({ role: "viewer", scope: "handler" }),
      schema: {
        operationId,
        summary,
        tags: ["analytics"],
        querystring: z.object({ population: z.string().max(63).optional() }),
        response: { 200: z.object({ items: z.array(item) }) },
      },
    },
    async (request) => {
      const { population } = request.query;
      const visible = [...populations.all()]
        .map(({ name }) => name)
        .filter((name) => maySee(request, name) && (population === undefined || name === population));
      const answers = await Promise.all(visible.map((name) => answersOf(name)));
      return { items: await read(answers.flat(), deps) };
    },
  );
}
