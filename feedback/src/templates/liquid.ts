// Liquid, as much of it as a message needs: no files, no loops without bounds, no filter that undoes escaping.
import { Liquid, LiquidError } from "liquidjs";
import { FeedbackError } from "../errors.js";
import {
  type CompiledTemplate,
  escapeHtml,
  MAX_SOURCE_LENGTH,
  MAX_TEXT_LENGTH,
  type TemplateEngine,
} from "./engine.js";

/** Tags that templates may use. */
export const LIQUID_TAGS = [
  "if",
  "elsif",
  "else",
  "unless",
  "case",
  "when",
  "for",
  "break",
  "continue",
  "assign",
] as const;

/** Filters that templates may use: those that make no HTML, read no clock and no file. */
export const LIQUID_FILTERS = [
  "abs",
  "append",
  "at_least",
  "at_most",
  "capitalize",
  "ceil",
  "default",
  "divided_by",
  "downcase",
  "first",
  "floor",
  "join",
  "last",
  "minus",
  "modulo",
  "plus",
  "prepend",
  "remove",
  "replace",
  "round",
  "size",
  "slice",
  "split",
  "strip",
  "times",
  "truncate",
  "truncatewords",
  "upcase",
] as const;

/** What one rendering may take, as liquidjs counts it. The time is far above any honest template: a busy device must not lose it. */
const MEMORY_LIMIT = 100_000;
const RENDER_LIMIT_MS = 250;

/** A liquidjs that knows the allowed tags and filters only: what it does not know, it refuses to parse. */
function restricted(escaped: boolean): Liquid {
  const engine = new Liquid({
    strictVariables: true,
    strictFilters: true,
    // Else a variable in an `if` that is missing would fail; a test for it is how templates make do without.
    lenientIf: true,
    ownPropertyOnly: true,
    cache: false,
    templates: {},
    relativeReference: false,
    parseLimit: MAX_SOURCE_LENGTH,
    renderLimit: RENDER_LIMIT_MS,
    memoryLimit: MEMORY_LIMIT,
    ...(escaped ? { outputEscape: (value: unknown) => escapeHtml(shown(value)) } : {}),
  });
  const tags: ReadonlySet<string> = new Set(LIQUID_TAGS);
  for (const name of Object.keys(engine.tags)) if (!tags.has(name)) Reflect.deleteProperty(engine.tags, name);
  const filters: ReadonlySet<string> = new Set(LIQUID_FILTERS);
  for (const name of Object.keys(engine.filters)) if (!filters.has(name)) Reflect.deleteProperty(engine.filters, name);
  return engine;
}

/** Lists without commas between, as Liquid shows them. */
function shown(value: unknown): string {
  if (value === null || value === undefined) return "";
  return Array.isArray(value) ? value.map(shown).join("") : String(value);
}

class LiquidTemplates implements TemplateEngine {
  readonly #escaping: Liquid = restricted(true);
  readonly #plain: Liquid = restricted(false);

  compile(source: string): CompiledTemplate {
    if (source.length > MAX_SOURCE_LENGTH) {
      throw new FeedbackError(
        "BAD_TEMPLATE",
        `expected at most ${MAX_SOURCE_LENGTH} characters, came ${source.length}`,
      );
    }
    const [escaping, plain] = this.#parse(source);
    const variables = [...new Set(this.#escaping.globalVariablesSync(escaping))];
    return {
      variables,
      render: (given, escaped) => {
        // Without a prototype and without more than was asked for.
        const scope: Record<string, unknown> = Object.assign(Object.create(null), given);
        const engine = escaped ? this.#escaping : this.#plain;
        const text = rendered(() => engine.renderSync(escaped ? escaping : plain, scope));
        if (text.length <= MAX_TEXT_LENGTH) return text;
        throw new FeedbackError("RENDER_LIMIT", `expected at most ${MAX_TEXT_LENGTH} characters, came ${text.length}`);
      },
    };
  }

  #parse(source: string): [ReturnType<Liquid["parse"]>, ReturnType<Liquid["parse"]>] {
    try {
      return [this.#escaping.parse(source), this.#plain.parse(source)];
    } catch (cause) {
      throw new FeedbackError(
        "BAD_TEMPLATE",
        `expected Liquid with the tags ${LIQUID_TAGS.join(", ")}: ${reason(cause)}`,
        {
          cause,
        },
      );
    }
  }
}

function reason(cause: unknown): string {
  return cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : "it does not parse";
}

function rendered(render: () => unknown): string {
  try {
    return shown(render());
  } catch (cause) {
    const isLimit = cause instanceof Error && /limit exceeded/.test(cause.message);
    if (isLimit) throw new FeedbackError("RENDER_LIMIT", "rendering took more than the limits allow", { cause });
    // The reason may quote the template, never a variable's value: liquidjs names variables only.
    if (LiquidError.is(cause)) throw new FeedbackError("BAD_TEMPLATE", reason(cause), { cause });
    throw new FeedbackError("BAD_TEMPLATE", "the template could not be rendered", { cause });
  }
}

/** Templates in Liquid, rendered by liquidjs within limits. */
export function liquidTemplates(): TemplateEngine {
  return new LiquidTemplates();
}
