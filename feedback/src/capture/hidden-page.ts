// A page that is hidden may never be seen again: browsers end such pages without a word.
import type { Capture } from "./capture.js";

/** Where a page says that it is being hidden or left. */
export interface PageEvents {
  readonly document: Pick<Document, "visibilityState" | "addEventListener" | "removeEventListener">;
  readonly window: Pick<Window, "addEventListener" | "removeEventListener">;
}

/**
 * Secures what waits to be written when the page is hidden and when it is left (`visibilitychange`, `pagehide`).
 *
 * @returns what ends it
 */
export function secureWhenHidden(
  capture: Pick<Capture, "secure">,
  options: { readonly page?: PageEvents; readonly onError?: (cause: unknown) => void } = {},
): () => void {
  const { document, window } = options.page ?? globalThis;
  const secure = (): void => void capture.secure().catch((cause: unknown) => options.onError?.(cause));
  const changed = (): void => {
    if (document.visibilityState === "hidden") secure();
  };
  document.addEventListener("visibilitychange", changed);
  window.addEventListener("pagehide", secure);
  return () => {
    document.removeEventListener("visibilitychange", changed);
    window.removeEventListener("pagehide", secure);
  };
}
