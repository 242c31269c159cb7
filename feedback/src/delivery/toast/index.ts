export { safeNodes } from "./safe-html.js";
export { TOAST_ELEMENT, type ToastOptions, type ToastWords, toastSurface } from "./toast.js";
