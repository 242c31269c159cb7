// Whether anybody can see a message now: one that appears in a hidden page, and goes by itself, was shown to nobody.

/** Says whether somebody is there to see messages. */
export interface Attention {
  readonly isPresent: boolean;
  /** @returns what ends it */
  onChange(listener: () => void): () => void;
}

/** Where a page says whether it can be seen. */
export interface PageVisibility {
  readonly visibilityState: DocumentVisibilityState;
  addEventListener(type: "visibilitychange", listener: () => void): void;
  removeEventListener(type: "visibilitychange", listener: () => void): void;
}

/** Somebody is there while the page can be seen; always, where there is no page. */
export function pageAttention(page: PageVisibility | undefined = globalThis.document): Attention {
  return {
    get isPresent() {
      return page?.visibilityState !== "hidden";
    },
    onChange(listener) {
      page?.addEventListener("visibilitychange", listener);
      return () => page?.removeEventListener("visibilitychange", listener);
    },
  };
}
