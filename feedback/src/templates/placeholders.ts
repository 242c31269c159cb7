import { FeedbackError } from "../errors.js";
import { escapeHtml, MAX_SOURCE_LENGTH, MAX_TEXT_LENGTH, type TemplateEngine } from "./engine.js";

const PLACEHOLDER = /\{\{\s*([A-Za-z_]\w*)\s*\}\}/g;

/** Templates of placeholders like `{{ name }}` and nothing else: a hundred times smaller than Liquid. */
export function placeholderTemplates(): TemplateEngine {
  return {
    compile(source) {
      const rest = source.replace(PLACEHOLDER, "");
      if (source.length > MAX_SOURCE_LENGTH || /\{\{|\{%|\}\}|%\}/.test(rest)) {
        throw new FeedbackError("BAD_TEMPLATE", "expected a short text with placeholders of one name each, came more");
      }
      const variables = [...new Set([...source.matchAll(PLACEHOLDER)].map(([, name = ""]) => name))];
      return {
        variables,
        render(given, escaped) {
          const text = source.replace(PLACEHOLDER, (_, name: string) => {
            const value = Object.hasOwn(given, name) ? given[name] : undefined;
            if (value === undefined) throw new FeedbackError("BAD_TEMPLATE", `the variable "${name}" is missing`);
            return escaped ? escapeHtml(String(value)) : String(value);
          });
          if (text.length <= MAX_TEXT_LENGTH) return text;
          throw new FeedbackError(
            "RENDER_LIMIT",
            `expected at most ${MAX_TEXT_LENGTH} characters, came ${text.length}`,
          );
        },
      };
    },
  };
}
