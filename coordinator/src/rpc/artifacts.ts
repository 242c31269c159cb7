import type { Artifacts } from "@fedloop/proto";
import type { Ledger } from "../ledger/ledger.js";
import type { Populations } from "../rounds/populations.js";
import type { ModelChunks } from "./model-chunks.js";
import type { ServiceHandlers } from "./service.js";
import { receiptOf } from "./transparency.js";

export interface ArtifactsDependencies {
  readonly ledger: Ledger;
  readonly populations: Populations;
  readonly models: ModelChunks;
}

/** fedloop.v1.Artifacts */
export function artifactsService({
  ledger,
  populations,
  models,
}: ArtifactsDependencies): ServiceHandlers<typeof Artifacts> {
  return {
    async *getArtifact({ sha256, offset }, { device }) {
      const population = populations.of(device);
      await population.models.require(sha256);
      yield* models.from(sha256, () => population.models.open(sha256), Number(offset));
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
      const released = await populations.named(request.population, device).models.given(device.subject);
      if (released === undefined) return {};
      const { message } = await receiptOf(ledger, released.closeIndex);
      return { close: message, totalBytes: BigInt(released.bytes) };
    },
  };
}
