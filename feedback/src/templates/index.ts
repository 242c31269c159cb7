export type { CompiledTemplate, TemplateEngine, VariableValue } from "./engine.js";
export { LIQUID_FILTERS, LIQUID_TAGS, liquidTemplates } from "./liquid.js";
export {
  checkedBundle,
  type Message,
  Messages,
  type RenderOptions,
  type Template,
  type TemplateBundle,
  type TemplateText,
  type VariableKind,
} from "./messages.js";
export { placeholderTemplates } from "./placeholders.js";
