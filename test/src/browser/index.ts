/** Pages in headless Chromium, for the tests of other packages. */
export { openBrowser, openPage, withoutChromium } from "./chromium.js";
export { buildPages, STRICT_POLICY, serveFolder } from "./site.js";
