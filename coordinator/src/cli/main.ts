#!/usr/bin/env node
import { runFedloop } from "./program.js";

const stopping = new AbortController();

/** The first signal asks the command to end in order; the second one ends it. */
function stop(): void {
  if (stopping.signal.aborted) process.exit(130);
  stopping.abort();
}

process.on("SIGINT", stop);
process.on("SIGTERM", stop);
// A reader that has seen enough, as in `fedloop … | head`, is no error.
process.stdout.on("error", (error) => process.exit("code" in error && error.code === "EPIPE" ? 0 : 1));
process.on("uncaughtException", (error) => {
  process.stderr.write(`error INTERNAL: ${error.message}; this is a fault of fedloop: please report it\n`);
  process.exit(1);
});

// Else gRPC writes lines of its own beside the errors told here. It reads this when a command first loads it.
process.env.GRPC_VERBOSITY ??= "NONE";

process.exitCode = await runFedloop(process.argv.slice(2), {
  environment: process.env,
  signal: stopping.signal,
  input: () => process.stdin,
  print: (text) => process.stdout.write(text),
  complain: (text) => process.stderr.write(text),
});
