import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { ApiClient } from "../api/client.js";
import { ThemeSwitch } from "../theme/theme-switch.js";
import { Login } from "./login.js";
import { Overview } from "./overview.js";

/** For this tab alone: another one, or the next visit, asks for the token again. */
const KEY = "fedloop-token";

/** The dashboard: asks for a token, then shows what it may see. */
export function App(): JSX.Element {
  const [token, setToken] = useState(() => sessionStorage.getItem(KEY));
  const [refusal, setRefusal] = useState<string>();
  const client = useMemo(() => (token === null ? undefined : new ApiClient(token)), [token]);
  const enter = (given: string): void => {
    sessionStorage.setItem(KEY, given);
    setRefusal(undefined);
    setToken(given);
  };
  const leave = (why?: string): void => {
    sessionStorage.removeItem(KEY);
    setRefusal(why);
    setToken(null);
  };
  return (
    <>
      <header class="top">
        <h1>fedloop dashboard</h1>
        <ThemeSwitch />
        {client !== undefined && (
          <button type="button" onClick={() => leave()}>
            Forget the token
          </button>
        )}
      </header>
      <main>
        {client === undefined ? (
          <Login refusal={refusal} onToken={enter} />
        ) : (
          <Overview client={client} onRefused={leave} />
        )}
      </main>
    </>
  );
}
