// JSON Logic, as much of it as a rule needs: comparisons and arithmetic over what the device knows. Interpreted, so that it
// runs under a content security policy without eval.
import { LogicEngine } from "json-logic-engine";
import { FeedbackError } from "../errors.js";

/** A rule in JSON Logic: a scalar, a list of rules, or one operator with its arguments. */
export type Logic = null | boolean | number | string | readonly Logic[] | { readonly [operator: string]: Logic };

/** What a rule may use. Nothing that loops, calls, throws or reads a clock. */
export const LOGIC_OPERATORS = [
  "var",
  "missing",
  "if",
  "and",
  "or",
  "!",
  "!!",
  "==",
  "===",
  "!=",
  "!==",
  "<",
  "<=",
  ">",
  ">=",
  "+",
  "-",
  "*",
  "/",
  "%",
  "min",
  "max",
  "in",
] as const;

const MAX_DEPTH = 12;
const MAX_NODES = 500;
const allowed: ReadonlySet<string> = new Set(LOGIC_OPERATORS);

function checkLogic(logic: Logic, depth: number, count: { nodes: number }): void {
  count.nodes += 1;
  if (depth > MAX_DEPTH || count.nodes > MAX_NODES) {
    throw new FeedbackError("BAD_RULE", `expected a rule of at most ${MAX_NODES} parts, ${MAX_DEPTH} deep`);
  }
  if (logic === null || typeof logic !== "object") return;
  if (Array.isArray(logic)) {
    for (const each of logic) checkLogic(each, depth + 1, count);
    return;
  }
  const entries = Object.entries(logic);
  const [[operator, given] = ["", null]] = entries;
  if (entries.length !== 1 || !allowed.has(operator)) {
    throw new FeedbackError(
      "BAD_RULE",
      `expected one operator of ${LOGIC_OPERATORS.join(" ")}, came "${entries.map(([name]) => name).join(" ")}"`,
    );
  }
  if (operator === "var") checkPath(given);
  checkLogic(given, depth + 1, count);
}

/** What every object has by inheritance is none of the rule's business. */
const INHERITED =
  /(?:^|\.)(?:constructor|prototype|__\w+__|to[A-Z]\w*|valueOf|hasOwnProperty|isPrototypeOf|propertyIsEnumerable)(?:\.|$)/;

function checkPath(given: Logic | undefined): void {
  const [path] = Array.isArray(given) ? given : [given];
  if (typeof path !== "string" || path === "" || INHERITED.test(path)) {
    throw new FeedbackError("BAD_RULE", "expected var with a path of names, such as event.correct, came another");
  }
}

function engineOf(): LogicEngine {
  const all: Readonly<Record<string, unknown>> = new LogicEngine().methods;
  const methods = Object.fromEntries(LOGIC_OPERATORS.map((operator) => [operator, all[operator]]));
  return new LogicEngine(methods, { disableInline: true, maxDepth: MAX_DEPTH, maxArrayLength: MAX_NODES });
}

const engine: LogicEngine = engineOf();

/**
 * A rule as a function.
 *
 * @returns false also where the rule cannot be worked out, for example for a comparison with something that is not there
 * @throws FeedbackError BAD_RULE
 */
export function condition(logic: Logic): (variables: object) => boolean {
  checkLogic(logic, 0, { nodes: 0 });
  return (variables) => {
    try {
      return Boolean(engine.truthy(engine.run(logic, variables)));
    } catch {
      return false;
    }
  };
}
