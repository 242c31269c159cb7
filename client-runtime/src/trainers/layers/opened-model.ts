import { throwIfAborted } from "../../errors.js";
import type { LocalModel } from "./local-model.js";

/** A model that is brought to an engine when it is first needed, and once. */
export class OpenedModel {
  readonly #open: () => Promise<LocalModel>;
  #model: Promise<LocalModel> | undefined;

  constructor(open: () => Promise<LocalModel>) {
    this.#open = open;
  }

  /** @throws ClientError ABORTED, or what opening threw */
  async get(signal: AbortSignal): Promise<LocalModel> {
    this.#model ??= this.#open();
    const model = await this.#model;
    throwIfAborted(signal);
    return model;
  }

  close(): void {
    this.#model?.then(
      (model) => model.close(),
      () => {},
    );
    this.#model = undefined;
  }
}
