// Does a schema take a value as it is? Answering only that takes a tenth of the time of parsing, which makes a copy of
// every object and room for what might be wrong. Whoever gets a no parses, and learns why.
import type * as z from "zod/mini";

type Accepts = (value: unknown) => boolean;
type Definition = z.core.$ZodTypes["_zod"]["def"];
type Check = z.core.$ZodChecks["_zod"]["def"] | z.core.$ZodCustomDef;

/**
 * Compiles a schema that only checks (no transformation, default or coercion, unknown members refused) into a predicate.
 * Where it says yes, the schema's parse succeeds and answers an equal value; where it says no, let the schema decide: a
 * no may be wrong where the schema has a part that this does not know.
 */
export function acceptanceOf(schema: z.core.$ZodType): Accepts {
  return compile(schema, new Map());
}

function compile(schema: z.core.$ZodType, known: Map<z.core.$ZodType, Accepts>): Accepts {
  const seen = known.get(schema);
  if (seen !== undefined) return seen;
  const definition = schema._zod.def as Definition;
  const type = typeOf(definition, (inner) => compile(inner, known));
  const checks = (definition.checks ?? []).map(({ _zod }) => checkOf(_zod.def as Check));
  // A number's format (z.int) and z.custom are checks of themselves.
  if ("check" in definition) checks.unshift(checkOf(definition as Check));
  const accepts = checks.length === 0 ? type : (value: unknown) => type(value) && checks.every((check) => check(value));
  known.set(schema, accepts);
  return accepts;
}

function typeOf(definition: Definition, inner: (schema: z.core.$ZodType) => Accepts): Accepts {
  switch (definition.type) {
    case "string":
      return (value) => typeof value === "string";
    case "number":
      return (value) => typeof value === "number" && Number.isFinite(value);
    case "boolean":
      return (value) => typeof value === "boolean";
    case "literal": {
      const values = new Set<unknown>(definition.values);
      return (value) => values.has(value);
    }
    case "enum": {
      const values = new Set<unknown>(Object.values(definition.entries));
      return (value) => values.has(value);
    }
    case "nullable": {
      const some = inner(definition.innerType);
      return (value) => value === null || some(value);
    }
    case "array": {
      const element = inner(definition.element);
      return (value) => Array.isArray(value) && value.every(element);
    }
    case "union":
      return "discriminator" in definition
        ? discriminated(definition as z.core.$ZodDiscriminatedUnionDef, inner)
        : anyOf(definition.options.map(inner));
    case "object":
      return objectOf(definition, inner);
    case "custom":
      // It is a check of itself.
      return () => true;
    default:
      return () => false;
  }
}

function anyOf(options: readonly Accepts[]): Accepts {
  return (value) => options.some((option) => option(value));
}

/** Each option's member of that name is a literal. */
function discriminated(
  { discriminator, options }: z.core.$ZodDiscriminatedUnionDef,
  inner: (schema: z.core.$ZodType) => Accepts,
): Accepts {
  const byValue = new Map<unknown, Accepts>();
  for (const option of options) {
    for (const value of option._zod.propValues?.[discriminator] ?? []) byValue.set(value, inner(option));
  }
  return (value) => {
    if (typeof value !== "object" || value === null) return false;
    return byValue.get(Reflect.get(value, discriminator))?.(value) ?? false;
  };
}

function objectOf({ shape, catchall }: z.core.$ZodObjectDef, inner: (schema: z.core.$ZodType) => Accepts): Accepts {
  if (catchall?._zod.def.type !== "never") return () => false;
  const members = new Map<string, Accepts>();
  let required = 0;
  for (const [name, schema] of Object.entries(shape)) {
    const { def } = schema._zod;
    const isOptional = def.type === "optional";
    if (!isOptional) required += 1;
    members.set(name, inner(isOptional ? (def as z.core.$ZodOptionalDef).innerType : schema));
  }
  const optional = new Set(Object.keys(shape).filter((name) => shape[name]?._zod.def.type === "optional"));
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    let found = 0;
    for (const name in value) {
      const member = members.get(name);
      if (member === undefined || !member(Reflect.get(value, name))) return false;
      if (!optional.has(name)) found += 1;
    }
    return found === required;
  };
}

function checkOf(check: Check): Accepts {
  switch (check.check) {
    case "string_format": {
      const { pattern } = check;
      // A pattern with the flag g or y would remember where it was.
      if (pattern === undefined || pattern.global || pattern.sticky) return () => false;
      return (value) => typeof value === "string" && pattern.test(value);
    }
    case "number_format":
      return check.format === "safeint" ? Number.isSafeInteger : () => false;
    case "greater_than": {
      const least = Number(check.value);
      const { inclusive } = check;
      return (value) => typeof value === "number" && (inclusive ? value >= least : value > least);
    }
    case "less_than": {
      const most = Number(check.value);
      const { inclusive } = check;
      return (value) => typeof value === "number" && (inclusive ? value <= most : value < most);
    }
    case "max_length":
      return (value) => Array.isArray(value) && value.length <= check.maximum;
    case "min_length":
      return (value) => Array.isArray(value) && value.length >= check.minimum;
    case "custom": {
      // Of `z.refine`; a check that adds its own issues has no such function.
      const { fn } = check;
      return typeof fn === "function" ? (value) => fn(value) === true : () => false;
    }
    default:
      return () => false;
  }
}
