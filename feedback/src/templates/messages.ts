// A bundle of templates, the same for all, and the messages that this device makes of them.
import type { JsonValue } from "@fedloop/consent";
import * as z from "zod/mini";
import { FeedbackError } from "../errors.js";
import { type BundleTrust, type OpenedBundle, openBundle } from "../signed/bundle.js";
import { type CompiledTemplate, MAX_SOURCE_LENGTH, type TemplateEngine, type VariableValue } from "./engine.js";

/** One text in one language. */
export interface TemplateText {
  /** Plain text, in the engine's language. */
  readonly title: string;
  /** HTML of a few inline elements, in the engine's language; variables in it are escaped. */
  readonly body: string;
}

/** What a variable may be: anything else counts as missing. */
export type VariableKind =
  | { readonly type: "text"; readonly maxLength: number }
  | { readonly type: "number" }
  | { readonly type: "boolean" };

/** One template. */
export interface Template {
  readonly variables: { readonly [name: string]: VariableKind };
  /** By language, as BCP 47 names it. The bundle's default is used where the person's is not there. */
  readonly texts: { readonly [language: string]: TemplateText };
  /** What is shown, by language, where a variable is missing or rendering fails. No variables in here. */
  readonly fallback: { readonly [language: string]: TemplateText };
}

/** What a template bundle holds, before it is signed. */
export interface TemplateBundle {
  /** Every template has its texts in this language. */
  readonly defaultLanguage: string;
  readonly templates: { readonly [id: string]: Template };
}

/** What to show. */
export interface Message {
  readonly template: string;
  /** Plain text. */
  readonly title: string;
  /** HTML, or plain text where that was asked for. */
  readonly body: string;
  readonly language: string;
  /** Why the fallback is shown; undefined where the text itself is. */
  readonly fallback: "missing-variable" | "render-failed" | undefined;
}

/** How to render. */
export interface RenderOptions {
  readonly language?: string;
  /** "text" for surfaces that show no HTML: nothing is escaped then. "html" unless given. */
  readonly as?: "html" | "text";
}

const MAX_TEMPLATES = 500;
const name = z.string().check(z.regex(/^[a-z][A-Za-z0-9.-]{0,63}$/));
const source = z.string().check(z.maxLength(MAX_SOURCE_LENGTH));
const language = z.string().check(z.regex(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/));
const texts = z
  .record(language, z.strictObject({ title: source, body: source }))
  .check(z.refine((all) => Object.keys(all).length > 0));
const templateSchema = z.strictObject({
  variables: z.record(
    z.string().check(z.regex(/^[A-Za-z_]\w{0,63}$/)),
    z.discriminatedUnion("type", [
      z.strictObject({ type: z.literal("text"), maxLength: z.int().check(z.gte(1), z.lte(1_000)) }),
      z.strictObject({ type: z.literal("number") }),
      z.strictObject({ type: z.literal("boolean") }),
    ]),
  ),
  texts,
  fallback: texts,
});
const bundleSchema = z.strictObject({
  defaultLanguage: language,
  templates: z.record(name, templateSchema).check(z.refine((all) => Object.keys(all).length <= MAX_TEMPLATES)),
});

interface Compiled {
  readonly title: CompiledTemplate;
  readonly body: CompiledTemplate;
}

interface CompiledMessage {
  readonly variables: ReadonlyMap<string, VariableKind>;
  readonly texts: ReadonlyMap<string, Compiled>;
  readonly fallback: ReadonlyMap<string, Compiled>;
}

/** The templates of a verified bundle. Opened with {@link Messages.open}. */
export class Messages {
  readonly version: number;
  /** SHA-256 of what was signed, base64url: the same on all devices. */
  readonly digest: string;
  readonly #all: ReadonlyMap<string, CompiledMessage>;
  readonly #defaultLanguage: string;

  private constructor({ version, digest }: OpenedBundle, language: string, all: ReadonlyMap<string, CompiledMessage>) {
    this.version = version;
    this.digest = digest;
    this.#defaultLanguage = language;
    this.#all = all;
  }

  /**
   * Verifies a bundle and parses all of its templates: one that does not parse refuses the bundle, here and not when a message
   * is due.
   *
   * @throws FeedbackError BAD_TEMPLATE, and those of `openBundle`
   */
  static async open(bytes: Uint8Array, trust: BundleTrust, engine: TemplateEngine): Promise<Messages> {
    const opened = await openBundle("templates", bytes, trust);
    const { templates, defaultLanguage } = checkedBundle(opened.contents);
    const all = Object.entries(templates).map(([id, template]) => [id, compiled(id, template, engine)] as const);
    return new Messages(opened, defaultLanguage, new Map(all));
  }

  has(template: string): boolean {
    return this.#all.has(template);
  }

  /**
   * Makes a message. Never fails for what the variables hold: then the fallback is shown.
   *
   * @param variables what the device knows; those that the template does not declare are not used
   * @throws FeedbackError UNKNOWN_TEMPLATE
   */
  render(
    template: string,
    variables: Readonly<Record<string, VariableValue | undefined>>,
    { language: wanted, as = "html" }: RenderOptions = {},
  ): Message {
    const message = this.#all.get(template);
    if (message === undefined) {
      throw new FeedbackError("UNKNOWN_TEMPLATE", `the bundle has no template "${template}"; publish one that has`);
    }
    const given = usable(message.variables, variables);
    const [spoken, text] = this.#inLanguage(message.texts, wanted);
    const isComplete = [...text.title.variables, ...text.body.variables].every((each) => Object.hasOwn(given, each));
    const made = isComplete ? attempt(text, given, as) : undefined;
    if (made !== undefined) return { template, ...made, language: spoken, fallback: undefined };
    const [fallbackLanguage, fallback] = this.#inLanguage(message.fallback, wanted);
    const plain = attempt(fallback, {}, as) ?? { title: "", body: "" };
    const reason = isComplete ? "render-failed" : "missing-variable";
    return { template, ...plain, language: fallbackLanguage, fallback: reason };
  }

  /** The language itself, else the same without its region, else the default. */
  #inLanguage(all: ReadonlyMap<string, Compiled>, wanted: string | undefined): readonly [string, Compiled] {
    for (const spoken of [wanted, wanted?.split("-")[0], this.#defaultLanguage]) {
      const found = spoken === undefined ? undefined : all.get(spoken);
      if (spoken !== undefined && found !== undefined) return [spoken, found];
    }
    throw new FeedbackError("BAD_TEMPLATE", "expected a text in the default language");
  }
}

/** A bundle from JSON, as it is signed. @throws FeedbackError BAD_TEMPLATE */
export function checkedBundle(json: JsonValue | TemplateBundle): TemplateBundle {
  const parsed = z.safeParse(bundleSchema, json);
  if (parsed.success) {
    const { defaultLanguage, templates } = parsed.data;
    const silent = Object.entries(templates).find(
      ([, { texts: own, fallback }]) =>
        !Object.hasOwn(own, defaultLanguage) || !Object.hasOwn(fallback, defaultLanguage),
    );
    if (silent === undefined) return parsed.data;
    throw new FeedbackError("BAD_TEMPLATE", `${silent[0]} has no text or no fallback in "${defaultLanguage}"`);
  }
  const place = parsed.error.issues[0]?.path.map(String).join(" › ");
  throw new FeedbackError("BAD_TEMPLATE", `expected templates as documented; look at ${place || "the bundle"}`);
}

function compiled(id: string, template: Template, engine: TemplateEngine): CompiledMessage {
  const declared = new Map(Object.entries(template.variables));
  const each = (all: { readonly [language: string]: TemplateText }, allowed: ReadonlyMap<string, unknown>) =>
    new Map(
      Object.entries(all).map(([spoken, { title, body }]) => {
        const pair = { title: engine.compile(title), body: engine.compile(body) };
        const foreign = [...pair.title.variables, ...pair.body.variables].find((used) => !allowed.has(used));
        if (foreign === undefined) return [spoken, pair] as const;
        throw new FeedbackError("BAD_TEMPLATE", `${id} uses "${foreign}" (${spoken}), which is not declared there`);
      }),
    );
  return { variables: declared, texts: each(template.texts, declared), fallback: each(template.fallback, new Map()) };
}

function usable(
  declared: ReadonlyMap<string, VariableKind>,
  variables: Readonly<Record<string, VariableValue | undefined>>,
): Record<string, VariableValue> {
  const given: Record<string, VariableValue> = {};
  for (const [variable, kind] of declared) {
    const value = Object.hasOwn(variables, variable) ? variables[variable] : undefined;
    const fits =
      kind.type === "text"
        ? typeof value === "string" && value !== "" && value.length <= kind.maxLength
        : typeof value === kind.type && (typeof value !== "number" || Number.isFinite(value));
    if (value !== undefined && fits) given[variable] = value;
  }
  return given;
}

function attempt(
  { title, body }: Compiled,
  variables: Readonly<Record<string, VariableValue>>,
  as: "html" | "text",
): { readonly title: string; readonly body: string } | undefined {
  try {
    return { title: title.render(variables, false), body: body.render(variables, as === "html") };
  } catch (cause) {
    if (cause instanceof FeedbackError) return undefined;
    throw cause;
  }
}
