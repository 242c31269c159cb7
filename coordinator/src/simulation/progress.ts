import { Presets, SingleBar } from "cli-progress";

/** Tells a person what is going on: a bar on a terminal, a line a step elsewhere. Always on standard error. */
export class Progress {
  readonly #quiet: boolean;
  readonly #terminal: boolean;
  #bar: SingleBar | undefined;

  constructor(options: { readonly quiet: boolean }) {
    this.#quiet = options.quiet;
    this.#terminal = process.stderr.isTTY === true;
  }

  /** Begins a step; with a total it is counted. */
  step(text: string, total?: number): void {
    this.end();
    if (this.#quiet) return;
    if (!this.#terminal || total === undefined) {
      process.stderr.write(`${text}\n`);
      return;
    }
    this.#bar = new SingleBar(
      { format: `${text.padEnd(40)} {bar} {value}/{total}`, stream: process.stderr, hideCursor: true, fps: 8 },
      Presets.shades_grey,
    );
    this.#bar.start(total, 0);
  }

  /** Tells whoever sits at the terminal what goes on between two steps; a log has its steps. */
  meanwhile(text: string): void {
    this.end();
    if (!this.#quiet && this.#terminal) process.stderr.write(`${text}\n`);
  }

  add(): void {
    this.#bar?.increment();
  }

  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
