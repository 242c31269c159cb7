import { type Artifacts, CHUNK_BYTES } from "@fedloop/proto";
import { CoordinatorError } from "../errors.js";
import type { Populations } from "../rounds/populations.js";
import type { ServiceHandlers } from "./service.js";

/** fedloop.v1.Artifacts */
export function artifactsService(populations: Populations): ServiceHandlers<typeof Artifacts> {
  return {
    async *getArtifact(request, { device }) {
      const artifact = await populations.of(device).openModel(request.sha256);
      try {
        const { totalBytes } = artifact;
        if (request.offset > BigInt(totalBytes)) {
          throw new CoordinatorError(
            "OUT_OF_RANGE",
            `expected an offset of at most ${totalBytes}, came ${request.offset}`,
          );
        }
        for (let offset = Number(request.offset); offset < totalBytes; offset += CHUNK_BYTES) {
          const data = await artifact.read(offset, Math.min(CHUNK_BYTES, totalBytes - offset));
          yield { offset: BigInt(offset), data, totalBytes: BigInt(totalBytes) };
        }
      } finally {
        await artifact.close();
      }
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
  };
}
