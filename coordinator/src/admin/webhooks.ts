import { randomUUID } from "node:crypto";
import * as z from "zod";
import { CoordinatorError } from "../errors.js";
import { DELIVERY_STATES } from "../store/operations-tables.js";
import { WEBHOOK_EVENTS } from "../webhooks/events.js";
import type { AdminDependencies } from "./dependencies.js";
import { idempotencyHeaders, once } from "./idempotency.js";
import { pageFrom, pageOf, pageQuery, readCursor } from "./page.js";
import type { ZodRoutes } from "./zod-routes.js";

const endpointSchema = z
  .object({
    name: z.string(),
    host: z.string().describe("of its address; the rest may hold a secret"),
    events: z.array(z.enum(WEBHOOK_EVENTS)),
    deliveries: z.record(z.enum(DELIVERY_STATES), z.int()).describe("of the last week"),
  })
  .meta({ id: "WebhookEndpoint" });

interface Delivery {
  readonly id: string;
  readonly endpoint: string;
  readonly type: string;
  readonly state: (typeof DELIVERY_STATES)[number];
  readonly attempts: number;
  readonly createdMs: number;
  readonly dueMs: number;
  readonly lastResult: string | null;
}

const deliverySchema: z.ZodType<Delivery> = z
  .object({
    id: z.string().describe("webhook-id of every attempt"),
    endpoint: z.string(),
    type: z.string(),
    state: z.enum(DELIVERY_STATES),
    attempts: z.int(),
    createdMs: z.int(),
    dueMs: z.int().describe("when it is tried next, while it is pending"),
    lastResult: z.string().nullable().describe("HTTP status, or why there was none"),
  })
  .meta({ id: "WebhookDelivery" });

const place = z.tuple([z.int(), z.string(), z.string()]);
const name = z.string().max(63);

/** Webhooks: who is told, what was delivered, and a test. */
export function addWebhooks(app: ZodRoutes, deps: AdminDependencies): void {
  const { guard, store, webhooks } = deps;
  app.get(
    "/webhooks",
    {
      onRequest: guard({ role: "viewer", scope: "param" }),
      schema: {
        operationId: "listWebhooks",
        summary: "The endpoints of the configuration",
        tags: ["webhooks"],
        response: { 200: z.object({ items: z.array(endpointSchema) }) },
      },
    },
    async () => {
      const rows = await store.db
        .selectFrom("webhook_deliveries")
        .select(["endpoint", "state", ({ fn }) => fn.countAll<number>().as("count")])
        .groupBy(["endpoint", "state"])
        .execute();
      return {
        items: webhooks.endpoints.map(({ name, url, events }) => {
          const deliveries = { pending: 0, delivered: 0, "given-up": 0 };
          for (const row of rows) if (row.endpoint === name) deliveries[row.state] = Number(row.count);
          return { name, host: new URL(url).host, events: [...events], deliveries };
        }),
      };
    },
  );
  app.get(
    "/webhooks/deliveries",
    {
      onRequest: guard({ role: "viewer", scope: "param" }),
      schema: {
        operationId: "listWebhookDeliveries",
        summary: "Messages of the last week, the newest first",
        tags: ["webhooks"],
        querystring: z.object({
          endpoint: name.optional(),
          state: z.enum(DELIVERY_STATES).optional(),
          ...pageQuery,
        }),
        response: { 200: pageOf(deliverySchema) },
      },
    },
    async ({ query: { limit, cursor, endpoint, state } }) => {
      let query = store.db
        .selectFrom("webhook_deliveries")
        .selectAll()
        .orderBy("created_ms", "desc")
        .orderBy("id")
        .orderBy("endpoint")
        .limit(limit + 1);
      if (endpoint !== undefined) query = query.where("endpoint", "=", endpoint);
      if (state !== undefined) query = query.where("state", "=", state);
      const after = readCursor(cursor, place);
      if (after !== undefined) {
        const [created, id, to] = after;
        query = query.where((is) =>
          is.or([
            is("created_ms", "<", created),
            is.and([is("created_ms", "=", created), is("id", ">", id)]),
            is.and([is("created_ms", "=", created), is("id", "=", id), is("endpoint", ">", to)]),
          ]),
        );
      }
      const rows = await query.execute();
      const found = rows.map(
        ({ created_ms, due_ms, last_result, payload: _, ...row }): Delivery => ({
          ...row,
          createdMs: created_ms,
          dueMs: due_ms,
          lastResult: last_result,
        }),
      );
      return pageFrom(found, limit, (row) => [row.createdMs, row.id, row.endpoint]);
    },
  );
  app.post(
    "/webhooks/:name/test",
    {
      onRequest: guard({ role: "operator" }),
      schema: {
        operationId: "testWebhook",
        summary: "Send an endpoint a message of the type test; its delivery is in the list",
        tags: ["webhooks"],
        params: z.object({ name }),
        headers: idempotencyHeaders,
        body: z.strictObject({}),
        response: { 202: z.object({ id: z.string() }) },
      },
    },
    async (request, reply) => {
      const { name } = request.params;
      if (!webhooks.endpoints.some((endpoint) => endpoint.name === name)) {
        throw new CoordinatorError("NOT_FOUND", `expected a webhook of the configuration, came "${name}"`);
      }
      const { answer } = await once(deps.ledger, deps.clock, request, async ({ db }) => {
        const id = `msg_${randomUUID().replaceAll("-", "")}`;
        const message = { id, type: "test", timeMs: deps.clock.now(), data: { endpoint: name }, fact: null } as const;
        await webhooks.enqueue(db, message, name);
        return { status: 202, answer: { id } };
      });
      webhooks.wake();
      return reply.status(202).send(answer);
    },
  );
}
