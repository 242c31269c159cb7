import type { JSX } from "preact";
import type { ApiError } from "../api/client.js";

/** Why nothing newer is shown, where nothing is. */
export function Problem({ error }: { readonly error: ApiError | undefined }): JSX.Element {
  return (
    <div role="status" aria-live="polite">
      {error !== undefined && <p class="card warning">{error.message}</p>}
    </div>
  );
}
