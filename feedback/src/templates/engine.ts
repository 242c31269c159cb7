// What makes a text of a template. Apps bring their own kinds.

/** What a variable holds. */
export type VariableValue = string | number | boolean;

/** A template that was parsed and checked. */
export interface CompiledTemplate {
  /** Variables that it cannot do without. */
  readonly variables: readonly string[];
  /**
   * The text. Variables are escaped for HTML unless `escaped` is false.
   *
   * @throws FeedbackError RENDER_LIMIT, BAD_TEMPLATE where a variable is missing
   */
  render(variables: Readonly<Record<string, VariableValue>>, escaped: boolean): string;
}

/** A template language. */
export interface TemplateEngine {
  /** @throws FeedbackError BAD_TEMPLATE */
  compile(source: string): CompiledTemplate;
}

/** Longest source of a template, in characters. */
export const MAX_SOURCE_LENGTH = 8_192;
/** Longest text that a template makes, in characters. */
export const MAX_TEXT_LENGTH = 4_096;

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "'": "&#39;",
};

/** A text as it stands in HTML, between tags or in quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
}
