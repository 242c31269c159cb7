/** Options of the commands whose work is done outside this folder. */

/** `fedloop demo`: the main job on the example data. */
export interface DemoOptions {
  readonly rounds?: number | undefined;
  readonly epsilon?: number | undefined;
  readonly participants?: number | undefined;
  readonly seed?: number | undefined;
  /** Folder with the data file. */
  readonly data?: string | undefined;
  /** Folder for everything that comes out. */
  readonly out?: string | undefined;
  /** False with --no-dp, which demands a reason. */
  readonly dp: boolean;
  readonly reason?: string | undefined;
  readonly json: boolean;
  readonly signal: AbortSignal;
  /** Standard output. */
  readonly print: (text: string) => void;
}

/** `fedloop simulate`: a plan of one's own with simulated participants. */
export interface SimulateOptions {
  /** Path of the plan. */
  readonly plan: string;
  /** Path of ratings, CSV; left out where the plan's section `simulation` says what devices have. */
  readonly data?: string | undefined;
  /** Names of its columns. */
  readonly columns: { readonly participant: string; readonly item: string; readonly rating: string };
  readonly participants?: number | undefined;
  readonly seed?: number | undefined;
  /** Of virtual devices. */
  readonly threads?: number | undefined;
  readonly out?: string | undefined;
  readonly json: boolean;
  readonly signal: AbortSignal;
  /** Standard output. */
  readonly print: (text: string) => void;
}
