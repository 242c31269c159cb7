import { render } from "preact";
import { showKeptTheme } from "../theme/theme-switch.js";
import { ConsentCentre } from "./consent-centre.js";

showKeptTheme();
const page = document.getElementById("page");
if (page !== null) {
  page.replaceChildren();
  render(<ConsentCentre />, page);
}
