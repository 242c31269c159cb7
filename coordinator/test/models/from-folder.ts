import { readFileSync } from "node:fs";
import { join } from "node:path";
import { io } from "@tensorflow/tfjs-core";

/** Reads model.json and weights.bin from a folder, as a browser does from a server. */
export function fromFolder(folder: string): io.IOHandler {
  return {
    load: async () => {
      const model: io.ModelJSON = JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));
      return io.getModelArtifactsForJSON(model, async (manifest) => {
        const bytes = Buffer.concat(
          manifest.flatMap(({ paths }) => paths.map((path) => readFileSync(join(folder, path)))),
        );
        return [manifest.flatMap(({ weights }) => weights), new Uint8Array(bytes).buffer];
      });
    },
  };
}
