// What the main threads of pages do, by the browser's own trace.
import type { Page } from "playwright-core";

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** By the clock, and of the processor, microseconds. */
  readonly dur?: number;
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

/** A task of a thread's event loop, as the trace names it. */
const TASK = "ThreadControllerImpl::RunTask";
const MAIN_THREAD = "CrRendererMain";

/** Below this share of a core other work on the machine stretches a task, its processor time too: caches are cold each time. */
const UNDISTURBED = 0.5;

/** The most processor time that one task took, milliseconds. */
export interface LongestTask {
  readonly any: number;
  /** Of those that had a core to themselves for most of their time. */
  readonly undisturbed: number;
}

/** Follows the tasks of all main threads from here on. */
export async function traceTasks(page: Page): Promise<{
  /** Ends it. */
  longest(): Promise<LongestTask>;
}> {
  const browser = page.context().browser();
  if (browser === null) throw new Error("expected a page of a browser that was launched");
  await browser.startTracing(page, { categories: ["toplevel", "__metadata"] });
  return {
    async longest() {
      const { traceEvents }: { traceEvents: TraceEvent[] } = JSON.parse((await browser.stopTracing()).toString("utf8"));
      const threadOf = ({ pid, tid }: TraceEvent): string => `${pid}/${tid}`;
      const main = new Set(
        traceEvents.filter(({ name, args }) => name === "thread_name" && args?.name === MAIN_THREAD).map(threadOf),
      );
      const tasks = traceEvents.filter((event) => event.name === TASK && main.has(threadOf(event)));
      const most = (some: readonly TraceEvent[]): number =>
        some.reduce((longest, { tdur = 0 }) => Math.max(longest, tdur), 0) / 1_000;
      return {
        any: most(tasks),
        undisturbed: most(tasks.filter(({ dur = 0, tdur = 0 }) => tdur >= UNDISTURBED * dur)),
      };
    },
  };
}
