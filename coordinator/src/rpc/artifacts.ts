import type { Artifacts } from "@fedloop/proto";
import { CoordinatorError } from "../errors.js";
import type { Ledger } from "../ledger/ledger.js";
import type { Populations } from "../rounds/populations.js";
import { ModelChunks } from "./model-chunks.js";
import type { ServiceHandlers } from "./service.js";
import { receiptOf } from "./transparency.js";

export interface ArtifactsDependencies {
  readonly ledger: Ledger;
  readonly populations: Populations;
}

/** fedloop.v1.Artifacts */
export function artifactsService({ ledger, populations }: ArtifactsDependencies): ServiceHandlers<typeof Artifacts> {
  const models = new ModelChunks();
  return {
    async *getArtifact(request, { device }) {
      const artifact = await populations.of(device).openModel(request.sha256);
      if (request.offset > BigInt(artifact.totalBytes)) {
        await artifact.close();
        throw new CoordinatorError(
          "OUT_OF_RANGE",
          `expected an offset of at most ${artifact.totalBytes}, came ${request.offset}`,
        );
      }
      yield* models.from(request.sha256, artifact, Number(request.offset));
    },
    uploadChunk(request, { device }) {
      const nextOffset = populations.named(request.population, device).placeChunk(device, Number(request.round), {
        totalBytes: Number(request.totalBytes),
        offset: Number(request.offset),
        data: request.data,
        sha256: request.sha256,
      });
      return { nextOffset: BigInt(nextOffset) };
    },
    async getModel(request, { device }) {
      const released = await populations.named(request.population, device).releasedModel();
      if (released === undefined) return {};
      const { message } = await receiptOf(ledger, released.closeIndex);
      return { close: message, totalBytes: BigInt(released.bytes) };
    },
  };
}
