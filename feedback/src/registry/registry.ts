// Which data points exist, what for, for how long, and whether anything of them may ever leave the device.
import * as z from "zod/mini";
import { FeedbackError } from "../errors.js";

/** What a field may hold: small values that a schema can bound. No free objects. */
export type Scalar = string | number | boolean;

/**
 * What of a field may leave the device: nothing, or its part in a secure, noised sum. There is no class for raw values.
 */
export type Egress = "never" | "aggregate";

/** A purpose, or several: each gets its own copy, which lives and dies with the consent to that purpose. */
export type Purposes<Purpose extends string> = Purpose | readonly [Purpose, ...Purpose[]];

/** One field of an event. */
export interface FieldDefinition<Purpose extends string> {
  /** Of a string, a finite number, a boolean, or one of them left out. */
  readonly schema: z.ZodMiniType<Scalar | undefined>;
  readonly purpose: Purposes<Purpose>;
  /** "never" unless given. */
  readonly egress?: Egress;
}

/** One kind of event. */
export interface EventDefinition<Purpose extends string> {
  /** What for it is kept that the event happened, and when. */
  readonly purpose: Purposes<Purpose>;
  /** How long the event is kept, in days. */
  readonly retentionDays: number;
  /** Whether the event may be counted in a secure, noised sum; "never" unless given. */
  readonly egress?: Egress;
  /** Whether it must outlive a page that is killed the moment after: it is then written ahead. Not unless given. */
  readonly important?: boolean;
  readonly fields: { readonly [name: string]: FieldDefinition<Purpose> };
}

/** All kinds of events of an app, by type. */
export interface EventDefinitions<Purpose extends string> {
  readonly [type: string]: EventDefinition<Purpose>;
}

type FieldValue<Field> = Field extends { readonly schema: infer Schema extends z.ZodMiniType }
  ? z.output<Schema>
  : never;

type OptionalNames<Fields> = {
  [Name in keyof Fields]: undefined extends FieldValue<Fields[Name]> ? Name : never;
}[keyof Fields];

/** What `record` takes for one kind of event. */
export type EventFields<Definition extends EventDefinition<string>> = {
  readonly [Name in Exclude<keyof Definition["fields"], OptionalNames<Definition["fields"]>>]: FieldValue<
    Definition["fields"][Name]
  >;
} & {
  readonly [Name in OptionalNames<Definition["fields"]>]?: FieldValue<Definition["fields"][Name]>;
};

/** One field, completed, as an app shows it to people. */
export interface FieldDescription {
  readonly name: string;
  readonly purposes: readonly string[];
  readonly egress: Egress;
}

/** One kind of event, completed, as an app shows it to people: it is what the consent notice has to name. */
export interface EventDescription {
  readonly type: string;
  readonly purposes: readonly string[];
  readonly retentionDays: number;
  readonly egress: Egress;
  readonly fields: readonly FieldDescription[];
}

/** What of an event one purpose gets. */
export interface Portion {
  readonly purpose: string;
  readonly fields: { readonly [name: string]: Scalar };
}

interface CompleteField {
  readonly schema: z.ZodMiniType<Scalar | undefined>;
  readonly purposes: readonly string[];
  readonly egress: Egress;
}

interface CompleteEvent {
  readonly purposes: readonly string[];
  readonly retentionDays: number;
  readonly egress: Egress;
  readonly important: boolean;
  readonly fields: ReadonlyMap<string, CompleteField>;
  /** All purposes that get anything of it, in the registry's order. */
  readonly receivers: readonly string[];
}

/** Names of purposes, event types and fields: they become keys of stores and columns of features. */
const NAME = /^[a-z][A-Za-z0-9]*(?:[.-][A-Za-z0-9]+)*$/;
const MAX_NAME_LENGTH = 64;
/** No event is kept for longer than this, in days. */
export const MAX_RETENTION_DAYS = 1_095;

const name = z.string().check(z.regex(NAME), z.maxLength(MAX_NAME_LENGTH));
const purposes = z.union([name, z.array(name).check(z.minLength(1))]);
const egress = z._default(z.enum(["never", "aggregate"]), "never");
const fieldSchema = z.strictObject({
  schema: z.custom<z.ZodMiniType<Scalar | undefined>>(
    (value) => typeof value === "object" && value !== null && "_zod" in value,
  ),
  purpose: purposes,
  egress,
});
const registrySchema = z.strictObject({
  purposes: z.array(name).check(z.minLength(1)),
  events: z.record(
    name,
    z.strictObject({
      purpose: purposes,
      retentionDays: z.number().check(z.gt(0), z.lte(MAX_RETENTION_DAYS)),
      egress,
      important: z._default(z.boolean(), false),
      fields: z.record(name, fieldSchema),
    }),
  ),
});

/** The data points of an app. Made by {@link defineEvents}. */
export class EventRegistry<Events extends EventDefinitions<string> = EventDefinitions<string>> {
  readonly purposes: readonly string[];
  readonly #events: ReadonlyMap<string, CompleteEvent>;
  /** For the types of what is captured; holds nothing. */
  declare readonly definitions: Events;

  constructor(definition: { readonly purposes: readonly string[]; readonly events: EventDefinitions<string> }) {
    const parsed = z.safeParse(registrySchema, definition);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const place = issue?.path.map(String).join(" › ") ?? "";
      throw new FeedbackError(
        "BAD_REGISTRY",
        `expected every event and field with a schema, a declared purpose and at most ${MAX_RETENTION_DAYS} days of retention; look at ${place || "the registry"}`,
      );
    }
    this.purposes = parsed.data.purposes;
    const declared = new Set(this.purposes);
    const listed = (given: string | readonly string[], place: string): readonly string[] => {
      const all = typeof given === "string" ? [given] : given;
      const unknown = all.find((purpose) => !declared.has(purpose));
      if (unknown === undefined) return all;
      throw new FeedbackError("BAD_REGISTRY", `${place} names the purpose "${unknown}", which is not declared`);
    };
    this.#events = new Map(
      Object.entries(parsed.data.events).map(([type, event]) => {
        const fields = new Map(
          Object.entries(event.fields).map(([field, { schema, purpose, egress: leaves }]) => [
            field,
            { schema, purposes: listed(purpose, `${type} › ${field}`), egress: leaves },
          ]),
        );
        const own = listed(event.purpose, type);
        const all = new Set([...own, ...[...fields.values()].flatMap((each) => each.purposes)]);
        const receivers = this.purposes.filter((purpose) => all.has(purpose));
        const { retentionDays, egress: leaves, important } = event;
        return [type, { purposes: own, retentionDays, egress: leaves, important, fields, receivers }] as const;
      }),
    );
  }

  /** What there is, for the notice and the settings page of the app. */
  describe(): EventDescription[] {
    return [...this.#events].map(([type, event]) => ({
      type,
      purposes: event.purposes,
      retentionDays: event.retentionDays,
      egress: event.egress,
      fields: [...event.fields].map(([field, { purposes: own, egress: leaves }]) => ({
        name: field,
        purposes: own,
        egress: leaves,
      })),
    }));
  }

  has(type: string): boolean {
    return this.#events.has(type);
  }

  /** Days that an event of the type is kept; 0 for a type that is no more: what is left of it expires at once. */
  retentionDays(type: string): number {
    return this.#events.get(type)?.retentionDays ?? 0;
  }

  /** Whether an event is written ahead. */
  isImportant(type: string): boolean {
    return this.#events.get(type)?.important ?? false;
  }

  /** What of an event, or of one of its fields, may leave the device. */
  egress(type: string, field?: string): Egress {
    const event = this.#events.get(type);
    return (field === undefined ? event?.egress : event?.fields.get(field)?.egress) ?? "never";
  }

  /**
   * Checks an event, and divides it up: each purpose gets the fields that were declared for it and no others.
   *
   * @throws FeedbackError BAD_EVENT
   */
  divide(type: string, fields: { readonly [name: string]: unknown }): Portion[] {
    const event = this.#require(type);
    for (const field of Object.keys(fields)) {
      if (!event.fields.has(field)) throw new FeedbackError("BAD_EVENT", `${type} has no field "${field}"; declare it`);
    }
    const values = new Map<string, Scalar>();
    for (const [field, { schema }] of event.fields) {
      const value = checked(schema, Object.hasOwn(fields, field) ? fields[field] : undefined, `${type} › ${field}`);
      if (value !== undefined) values.set(field, value);
    }
    return event.receivers.map((purpose) => {
      const portion: Record<string, Scalar> = {};
      for (const [field, value] of values) {
        if (event.fields.get(field)?.purposes.includes(purpose) === true) portion[field] = value;
      }
      return { purpose, fields: portion };
    });
  }

  /**
   * A field's value from a text, such as an attribute: the text itself where the schema takes one, else the number or
   * boolean that it spells.
   *
   * @throws FeedbackError BAD_EVENT
   */
  fieldFromText(type: string, field: string, text: string): Scalar | undefined {
    const schema = this.#require(type).fields.get(field)?.schema;
    if (schema === undefined) throw new FeedbackError("BAD_EVENT", `${type} has no field "${field}"; declare it`);
    if (z.safeParse(schema, text).success) return text;
    return checked(schema, spelled(text), `${type} › ${field}`);
  }

  #require(type: string): CompleteEvent {
    const event = this.#events.get(type);
    if (event === undefined) throw new FeedbackError("BAD_EVENT", `the registry has no event "${type}"; declare it`);
    return event;
  }
}

function spelled(text: string): Scalar {
  if (text === "true") return true;
  if (text === "false") return false;
  return text.trim() === "" ? text : Number(text);
}

/** The message names the field, never its value. */
function checked(schema: z.ZodMiniType<Scalar | undefined>, value: unknown, place: string): Scalar | undefined {
  const parsed = z.safeParse(schema, value);
  if (!parsed.success) throw new FeedbackError("BAD_EVENT", `${place} does not follow its schema`);
  const { data } = parsed;
  if (data === undefined || typeof data === "string" || typeof data === "boolean") return data;
  if (typeof data === "number" && Number.isFinite(data)) return data;
  throw new FeedbackError("BAD_EVENT", `${place} must be a string, a finite number or a boolean`);
}

/**
 * Declares the data points of an app. An event or a field without a purpose does not build, and is refused when it gets
 * past the compiler.
 *
 * @throws FeedbackError BAD_REGISTRY
 *
 * @example
 * defineEvents({
 *   purposes: ["mastery"],
 *   events: {
 *     "answer.given": {
 *       purpose: "mastery",
 *       retentionDays: 90,
 *       fields: { correct: { schema: z.boolean(), purpose: "mastery", egress: "aggregate" } },
 *     },
 *   },
 * });
 */
export function defineEvents<
  const Purpose extends string,
  const Events extends EventDefinitions<NoInfer<Purpose>>,
>(definition: { readonly purposes: readonly Purpose[]; readonly events: Events }): EventRegistry<Events> {
  return new EventRegistry<Events>(definition);
}
