// A message at the edge of the page, as a web component: keyboard, screen reader, reduced motion, and one step to opt out.
import type { MessageResponse, MessageSurface, ShownMessage } from "../surface.js";
import { safeNodes } from "./safe-html.js";

/** The words of the buttons, in the app's language. */
export interface ToastWords {
  readonly open: string;
  readonly dismiss: string;
  readonly optOut: string;
}

/** How toasts are shown. */
export interface ToastOptions {
  /** Where they are put; the page's body unless given. */
  readonly parent?: Element;
  readonly words?: ToastWords;
  /** A toast that nobody answers goes by itself after this, in milliseconds; never while it is under the pointer or has the focus. 20 000 unless given. */
  readonly stayMs?: number;
}

export const TOAST_ELEMENT = "fedloop-toast";
const STAY_MS = 20_000;
const WORDS: ToastWords = { open: "Open", dismiss: "Not now", optOut: "No more messages" };
const STYLE = `
:host { position: fixed; inset: auto 1rem 1rem auto; max-inline-size: 22rem; z-index: 2147483000; font: 1rem/1.4 system-ui, sans-serif; }
section { padding: 1rem; border-radius: .5rem; background: Canvas; color: CanvasText; border: 1px solid GrayText; box-shadow: 0 .25rem 1rem #0004; }
h2 { margin: 0 0 .25rem; font-size: 1rem; }
footer { display: flex; flex-wrap: wrap; gap: .5rem; margin-block-start: .75rem; }
button { font: inherit; padding: .25rem .75rem; cursor: pointer; }
`;

function button(words: string, response: MessageResponse, answer: (response: MessageResponse) => void): HTMLElement {
  const element = document.createElement("button");
  element.type = "button";
  element.textContent = words;
  element.dataset.response = response;
  element.addEventListener("click", () => answer(response));
  return element;
}

/** Defined at first use: the class needs a browser. */
function define(): void {
  if (customElements.get(TOAST_ELEMENT) !== undefined) return;
  customElements.define(TOAST_ELEMENT, class extends HTMLElement {});
}

/** Builds a toast that calls back once. */
function toast(message: ShownMessage, words: ToastWords, answer: (response: MessageResponse) => void): HTMLElement {
  const host = document.createElement(TOAST_ELEMENT);
  host.lang = message.language;
  const root = host.attachShadow({ mode: "open" });
  // A constructed sheet needs no 'unsafe-inline' in the page's policy.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  const section = document.createElement("section");
  section.setAttribute("role", message.class === "critical" ? "alert" : "status");
  const title = document.createElement("h2");
  title.textContent = message.title;
  const body = document.createElement("div");
  body.append(safeNodes(message.body));
  const footer = document.createElement("footer");
  footer.append(
    button(words.open, "opened", answer),
    button(words.dismiss, "dismissed", answer),
    button(words.optOut, "opted-out", answer),
  );
  section.append(title, body, footer);
  root.append(section);
  root.addEventListener("keydown", (event) => {
    if (event instanceof KeyboardEvent && event.key === "Escape") answer("dismissed");
  });
  return host;
}

/** Shows each message as a toast; one at a time, later ones wait for the one before. */
export function toastSurface({ parent, words = WORDS, stayMs = STAY_MS }: ToastOptions = {}): MessageSurface {
  define();
  let last: Promise<unknown> = Promise.resolve();
  const showNow = (message: ShownMessage): Promise<MessageResponse> =>
    new Promise((resolve) => {
      const answer = (response: MessageResponse): void => {
        clearTimeout(timer);
        element.remove();
        resolve(response);
      };
      const element = toast(message, words, answer);
      const leave = (): void => {
        if (element.matches(":hover, :focus-within")) timer = setTimeout(leave, stayMs);
        else answer("ignored");
      };
      let timer = setTimeout(leave, stayMs);
      (parent ?? document.body).append(element);
    });
  let shown = 0;
  return {
    as: "html",
    show(message) {
      // At once where none is up: a person who did something is not to wait for a turn of the queue.
      const result = shown === 0 ? showNow(message) : last.then(() => showNow(message));
      shown += 1;
      last = result.finally(() => {
        shown -= 1;
      });
      return result;
    },
  };
}
