/**
 * Loaded before tap (`--import`). tap follows every promise and callback with async hooks, only to say which test an
 * unhandled rejection belongs to; that takes a tenth of all processor time, in files that wait for many promises a fifth.
 * Without it such a rejection ends the file, as it would end the program, and its stack says whose it is.
 */
import asyncHooks, { type AsyncHook } from "node:async_hooks";
import { syncBuiltinESMExports } from "node:module";

const idle: AsyncHook = { enable: () => idle, disable: () => idle };
asyncHooks.createHook = () => idle;
syncBuiltinESMExports();
