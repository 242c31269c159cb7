import { resolve } from "node:path";
import * as z from "zod";
import { WEBHOOK_EVENTS, type WebhookEvent } from "../webhooks/events.js";
import type { WebhookEndpoint } from "../webhooks/sender.js";
import { flag, identifier, section, text } from "./fields.js";

export interface WrittenWebhook {
  readonly name: string;
  readonly url: string;
  readonly secretFile: string;
  readonly events?: readonly WebhookEvent[] | undefined;
  readonly allowPrivate: boolean;
}

const url = { error: 'an address without user, password or fragment, as in "https://hooks.example.org/fedloop"' };
const list = { error: "a list of at most 20 webhooks with different names" };
const subscribable = WEBHOOK_EVENTS.filter((event) => event !== "test");
const events = { error: `a list of ${subscribable.join(", ")}` };

function isWebhookUrl(written: string): boolean {
  if (!URL.canParse(written)) return false;
  const { protocol, username, password, hash } = new URL(written);
  return (protocol === "https:" || protocol === "http:") && username === "" && password === "" && hash === "";
}

/** Who is told of what happens. */
export const webhooksSection: z.ZodType<readonly WrittenWebhook[]> = z
  .array(
    section({
      name: identifier(),
      url: z.string(url).max(2_000, url).refine(isWebhookUrl, url),
      secretFile: text(1_000),
      events: z
        .array(z.enum(WEBHOOK_EVENTS, events).exclude(["test"], events), events)
        .min(1, events)
        .optional(),
      allowPrivate: flag().default(false),
    }).superRefine(({ url, allowPrivate }, context) => {
      if (allowPrivate || !url.startsWith("http:")) return;
      context.addIssue({ code: "custom", path: ["url"], message: "expected https, or allowPrivate: true, came http" });
    }),
    list,
  )
  .max(20, list)
  .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, list);

export function webhooksOf(written: readonly WrittenWebhook[], folder: string): WebhookEndpoint[] {
  return written.map(({ secretFile, events, ...endpoint }) => ({
    ...endpoint,
    secretFile: resolve(folder, secretFile),
    events: events ?? subscribable,
  }));
}
