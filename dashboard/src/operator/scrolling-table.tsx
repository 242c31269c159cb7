import type { ComponentChildren, JSX } from "preact";

/** A table that scrolls by itself where the window is narrower, by keyboard, too. */
export function ScrollingTable({
  name,
  children,
}: {
  readonly name: string;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls needs the focus
    <section class="scroll" tabIndex={0} aria-label={name}>
      <table>{children}</table>
    </section>
  );
}
