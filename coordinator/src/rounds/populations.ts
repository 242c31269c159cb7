import { CoordinatorError } from "../errors.js";
import type { Device } from "../registry/device.js";
import type { Population } from "./population.js";

/** The populations that this coordinator serves, by name. */
export class Populations {
  readonly #populations: ReadonlyMap<string, Population>;

  constructor(populations: Iterable<Population>) {
    this.#populations = new Map([...populations].map((population) => [population.name, population]));
  }

  get size(): number {
    return this.#populations.size;
  }

  all(): Iterable<Population> {
    return this.#populations.values();
  }

  /** @throws CoordinatorError UNKNOWN_POPULATION */
  get(name: string): Population {
    const population = this.#populations.get(name);
    if (population === undefined) {
      throw new CoordinatorError(
        "UNKNOWN_POPULATION",
        `expected a population of this coordinator, came "${name.slice(0, 64)}"`,
      );
    }
    return population;
  }

  /** The population a device is registered in. */
  of(device: Device): Population {
    return this.get(device.population);
  }

  /** The population that a request names, which must be the caller's own. @throws CoordinatorError UNKNOWN_POPULATION */
  named(name: string, device: Device): Population {
    if (name !== device.population) {
      throw new CoordinatorError(
        "UNKNOWN_POPULATION",
        `expected the population that this device enrolled in, came "${name.slice(0, 64)}"`,
      );
    }
    return this.get(name);
  }
}
