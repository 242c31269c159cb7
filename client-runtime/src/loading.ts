import { ClientError } from "./errors.js";

/**
 * A part of the runtime that few apps need, or need late: a bundler makes a file of its own of it, which a page fetches
 * when it comes to that.
 *
 * @param load a dynamic import
 * @throws ClientError UNAVAILABLE
 */
export async function loaded<Part>(load: () => Promise<Part>): Promise<Part> {
  try {
    return await load();
  } catch (cause) {
    throw new ClientError(
      "UNAVAILABLE",
      "expected a further part of the app's code, it could not be fetched; go on when there is a network, or load the app anew",
      { cause },
    );
  }
}
