#!/usr/bin/env node
import { runAudit } from "./audit.node.js";

process.exitCode = await runAudit(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  error: (text) => process.stderr.write(text),
  isWatched: process.stderr.isTTY === true,
});
