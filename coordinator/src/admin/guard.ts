import type { onRequestAsyncHookHandler } from "fastify";

/** Who a route is for. */
export interface Requirement {
  /** An operator may all that an auditor may, an auditor all that a viewer may. */
  readonly role: "operator" | "auditor" | "viewer";
  /** `handler` where the route itself keeps to the populations that the caller may see. */
  readonly scope?: "param" | "handler";
  /** For what has to work while the store of the tokens cannot be reached. */
  readonly isForEmergencies?: boolean;
}

/** Makes the hook that lets callers in. */
export type Guard = (requirement: Requirement) => onRequestAsyncHookHandler;
