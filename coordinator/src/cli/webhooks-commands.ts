import type { Command } from "commander";
import { configOf, type Json, jsonOption } from "./flags.js";
import type { Surroundings } from "./surroundings.js";

/** `fedloop webhooks …`: who is told of what happens. */
export function addWebhooks(program: Command, surroundings: Surroundings): void {
  const webhooks = program
    .command("webhooks")
    .description("who is told when rounds close, models are released, budgets run out");
  webhooks
    .command("list")
    .description("list the endpoints of the configuration")
    .addOption(jsonOption())
    .action(async (flags: Json, command: Command) => {
      const { listWebhooks } = await import("./webhooks.js");
      await listWebhooks({ config: configOf(command), json: flags.json }, surroundings);
    });
  webhooks
    .command("test")
    .description("send an endpoint a signed message of the type test")
    .argument("<name>", "as the configuration calls it")
    .addOption(jsonOption())
    .action(async (name: string, flags: Json, command: Command) => {
      const { testWebhook } = await import("./webhooks.js");
      await testWebhook({ config: configOf(command), json: flags.json }, name, surroundings);
    });
}
