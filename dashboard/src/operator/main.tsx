import { render } from "preact";
import { showKeptTheme } from "../theme/theme-switch.js";
import { App } from "./app.js";

showKeptTheme();
const page = document.getElementById("page");
if (page !== null) {
  page.replaceChildren();
  render(<App />, page);
}
