import type { TileName } from "@fedloop/consent";
/** A log as its readers may see it. */
export interface PublishedLog {
  /** The newest published checkpoint, a C2SP signed note. */
  checkpoint(): string;
  /** The bytes of a tile or entry bundle; undefined where the published tree has none such. */
  tile(name: TileName): Promise<Uint8Array | undefined>;
}
