import { CoordinatorError } from "../errors.js";

/** The server was not there, or went away before it had answered: nobody knows what became of the statement. */
export class StoreUnreachable extends CoordinatorError {
  constructor(cause: unknown) {
    super("RETRY", "the database cannot be reached; come back", { retryAfterMs: 1_000, cause });
  }
}
