// Markup of a message as nodes: a few inline elements, and nothing that loads, runs or submits.

const ELEMENTS: ReadonlySet<string> = new Set(["A", "B", "BR", "EM", "I", "LI", "OL", "P", "STRONG", "UL"]);
/** Left out with what is in them; of other elements that are not on the list the text stays. */
const DROPPED: ReadonlySet<string> = new Set([
  "SCRIPT",
  "STYLE",
  "TEMPLATE",
  "IFRAME",
  "OBJECT",
  "SVG",
  "MATH",
  "NOSCRIPT",
]);
const MAX_NODES = 500;

/** Links lead to https, or to the page's own origin. */
function safeHref(href: string | null): string | undefined {
  if (href === null) return undefined;
  try {
    const url = new URL(href, globalThis.location.href);
    return url.protocol === "https:" || url.origin === globalThis.location.origin ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/** Markup rebuilt from scratch: what is not on the list is not copied. */
export function safeNodes(html: string): DocumentFragment {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  const out = document.createDocumentFragment();
  let left = MAX_NODES;
  const copy = (from: Node, to: Node): void => {
    for (const child of from.childNodes) {
      left -= 1;
      if (left < 0) return;
      if (child.nodeType === Node.TEXT_NODE) {
        to.appendChild(document.createTextNode(child.textContent ?? ""));
      } else if (child instanceof Element && !DROPPED.has(child.tagName.toUpperCase())) {
        if (!ELEMENTS.has(child.tagName)) {
          copy(child, to);
          continue;
        }
        const element = document.createElement(child.tagName);
        const href = child.tagName === "A" ? safeHref(child.getAttribute("href")) : undefined;
        if (href !== undefined) {
          element.setAttribute("href", href);
          element.setAttribute("rel", "noopener noreferrer");
        }
        copy(child, element);
        to.appendChild(element);
      }
    }
  };
  copy(parsed.body, out);
  return out;
}
