/** The path of the HTTP API, with the version of its interface. */
export const API_PREFIX = "/api/v1";
