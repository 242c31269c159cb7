import type { JSX } from "preact";
import { useState } from "preact/hooks";

const THEMES = ["system", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];
const KEY = "fedloop-theme";

function kept(): Theme {
  const theme = localStorage.getItem(KEY);
  return THEMES.find((each) => each === theme) ?? "system";
}

/** Shows the page in a theme; the system's own is left to the browser. */
function show(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** Shows the page as it was last chosen to be shown. */
export function showKeptTheme(): void {
  show(kept());
}

/** Lets who looks choose light or dark; until then it is as their system has it. */
export function ThemeSwitch(): JSX.Element {
  const [theme, setTheme] = useState(kept);
  const choose = (chosen: Theme): void => {
    localStorage.setItem(KEY, chosen);
    show(chosen);
    setTheme(chosen);
    // Charts are drawn in the colours of their time.
    dispatchEvent(new Event("themechange"));
  };
  return (
    <label>
      <span class="hidden-visually">Theme</span>
      <select
        value={theme}
        onChange={({ currentTarget }) => choose(THEMES.find((each) => each === currentTarget.value) ?? "system")}
      >
        <option value="system">System theme</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </label>
  );
}
