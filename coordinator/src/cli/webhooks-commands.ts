import { type Command, Option } from "commander";
import type { Surroundings } from "./surroundings.js";

interface Flags {
  readonly json: boolean;
}

function json(): Option {
  return new Option("--json", "print one JSON object").default(false, "text for people");
}

function configOf(command: Command): string {
  return command.optsWithGlobals<{ config: string }>().config;
}

/** `fedloop webhooks …`: who is told of what happens. */
export function addWebhooks(program: Command, surroundings: Surroundings): void {
  const webhooks = program
    .command("webhooks")
    .description("who is told when rounds close, models are released, budgets run out");
  webhooks
    .command("list")
    .description("list the endpoints of the configuration")
    .addOption(json())
    .action(async (flags: Flags, command: Command) => {
      const { listWebhooks } = await import("./webhooks.js");
      await listWebhooks({ config: configOf(command), json: flags.json }, surroundings);
    });
  webhooks
    .command("test")
    .description("send an endpoint a signed message of the type test")
    .argument("<name>", "as the configuration calls it")
    .addOption(json())
    .action(async (name: string, flags: Flags, command: Command) => {
      const { testWebhook } = await import("./webhooks.js");
      await testWebhook({ config: configOf(command), json: flags.json }, name, surroundings);
    });
}
