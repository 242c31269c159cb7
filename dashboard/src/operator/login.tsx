import type { JSX } from "preact";
import { useState } from "preact/hooks";

export interface LoginProps {
  /** Why the last token was not taken. */
  readonly refusal: string | undefined;
  readonly onToken: (token: string) => void;
}

/** Asks for an access token. */
export function Login({ refusal, onToken }: LoginProps): JSX.Element {
  const [token, setToken] = useState("");
  const submit = (event: Event): void => {
    event.preventDefault();
    if (token.trim() !== "") onToken(token.trim());
  };
  return (
    <section class="card">
      <h2>Who looks?</h2>
      <p class="quiet">
        An access token of the role viewer is enough. An operator makes one with <code>fedloop tokens create</code>. It
        is kept in this tab only.
      </p>
      {refusal !== undefined && (
        <p class="critical" role="alert">
          {refusal}
        </p>
      )}
      <form class="stack" onSubmit={submit}>
        <label>
          Access token
          <input
            type="password"
            name="token"
            autocomplete="off"
            spellcheck={false}
            value={token}
            onInput={({ currentTarget }) => setToken(currentTarget.value)}
          />
        </label>
        <button type="submit" class="main">
          Show the dashboard
        </button>
      </form>
    </section>
  );
}
