// Clicks and forms as events, by what the page's author wrote into attributes and by nothing else.
import { FeedbackError } from "../errors.js";
import type { Capture, CaptureOutcome } from "./capture.js";

/** A capture, or a recorder of one tab of several. */
export type EventRecorder = Pick<Capture, "registry" | "recordUntyped">;

/** What a listener may be told. */
export interface DomListenerOptions {
  /** DOM events that are listened to, one listener each; click, submit and change unless given. */
  readonly on?: readonly string[];
  /** Told of elements whose attributes do not follow the registry. */
  readonly onError?: (error: FeedbackError) => void;
  /** Told of each event that an element stood for, captured or refused. */
  readonly onCapture?: (type: string, outcome: CaptureOutcome) => void;
}

/** The part of an element that is looked at. Its text, its value and its neighbours are not. */
interface Marked {
  readonly dataset: { readonly [name: string]: string | undefined };
}

const EVENT = "fedloopEvent";
const ON = "fedloopOn";
const FIELD = /^fedloopField([A-Z].*)$/;
const DEFAULT_EVENTS = ["click", "submit", "change"];

function marked(target: EventTarget | null): Marked | undefined {
  if (target === null || !("closest" in target) || typeof target.closest !== "function") return undefined;
  const found: unknown = target.closest("[data-fedloop-event]");
  return typeof found === "object" && found !== null && "dataset" in found ? (found as Marked) : undefined;
}

/**
 * Captures what people do with elements that carry `data-fedloop-event="answer.given"`, with the fields that
 * `data-fedloop-field-correct="true"` and the like name. `data-fedloop-on` names the DOM event, `click` unless given. One passive
 * listener for each DOM event on the root serves all elements, also those that come later; it reads those attributes only.
 *
 * @param root a document, an element or a shadow root
 * @returns what ends it
 */
export function listenToDom(root: EventTarget, capture: EventRecorder, options: DomListenerOptions = {}): () => void {
  const { on = DEFAULT_EVENTS, onError, onCapture } = options;
  const heard = (event: Event): void => {
    const element = marked(event.target);
    const type = element?.dataset[EVENT];
    if (element === undefined || type === undefined || (element.dataset[ON] ?? "click") !== event.type) return;
    try {
      const fields = Object.entries(element.dataset).flatMap(([name, text]) => {
        const [, field] = FIELD.exec(name) ?? [];
        if (field === undefined || text === undefined) return [];
        const own = field.charAt(0).toLowerCase() + field.slice(1);
        return [[own, capture.registry.fieldFromText(type, own, text)] as const];
      });
      const outcome = capture.recordUntyped(type, Object.fromEntries(fields));
      onCapture?.(type, outcome);
    } catch (cause) {
      if (!(cause instanceof FeedbackError)) throw cause;
      onError?.(cause);
    }
  };
  for (const name of on) root.addEventListener(name, heard, { passive: true, capture: true });
  return () => {
    for (const name of on) root.removeEventListener(name, heard, { capture: true });
  };
}
