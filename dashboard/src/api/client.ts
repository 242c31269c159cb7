import type * as z from "zod/mini";

/** Why nothing can be shown. */
export class ApiError extends Error {
  override readonly name: string = "ApiError";
  readonly code: "TOKEN" | "FORBIDDEN" | "UNREACHABLE" | "UNEXPECTED";

  constructor(code: ApiError["code"], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** The coordinator's API as the holder of a token sees it. */
export class ApiClient {
  readonly #token: string;

  constructor(token: string) {
    this.#token = token;
  }

  /**
   * @param path below /api/v1
   * @param schema what is expected
   * @throws ApiError
   */
  async get<Resource>(path: string, schema: z.ZodMiniType<Resource>, signal: AbortSignal): Promise<Resource> {
    let response: Response;
    try {
      const headers = { authorization: `Bearer ${this.#token}` };
      response = await fetch(`/api/v1${path}`, { headers, signal, cache: "no-store" });
    } catch (cause) {
      throw new ApiError("UNREACHABLE", "The coordinator cannot be reached. This page tries again by itself.", cause);
    }
    if (response.status === 401) throw new ApiError("TOKEN", "The token is not, or no longer, in force.");
    if (response.status === 403) throw new ApiError("FORBIDDEN", "This token may not see that.");
    if (!response.ok) throw new ApiError("UNREACHABLE", `The coordinator answered with the status ${response.status}.`);
    const parsed = schema.safeParse(await response.json());
    if (parsed.success) return parsed.data;
    throw new ApiError(
      "UNEXPECTED",
      "The coordinator answered what this page does not know. Load it anew.",
      parsed.error,
    );
  }
}
