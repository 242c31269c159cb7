// What a plan tells a trainer, a strategy or an evaluation by name.
import * as z from "zod";
import { text } from "../config/fields.js";

export type Settings = Readonly<Record<string, number | string | boolean>>;

const MAX_SETTINGS = 64;

const setting = z.union([z.number(), z.boolean(), text()], { error: "a number, true, false or a line of text" });

export const givenSettings: z.ZodType<Settings, Settings> = z
  .record(z.string().regex(/^[A-Za-z][A-Za-z0-9]{0,62}$/), setting, {
    error: "a mapping of names (letters and digits) to numbers, true, false or text",
  })
  .refine((entries) => Object.keys(entries).length <= MAX_SETTINGS, { error: `at most ${MAX_SETTINGS} settings` });

/** None where a plan gives none. */
export const settings: z.ZodDefault<typeof givenSettings> = givenSettings.default({});
