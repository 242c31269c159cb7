import type { Artifacts } from "@fedloop/proto";
import type { Ledger } from "../ledger/ledger.js";
import type { Populations } from "../rounds/populations.js";
import type { Turnstile } from "../rounds/turnstile.js";
import type { ModelChunks } from "./model-chunks.js";
import { LONGEST_WAIT_MS } from "./secure-rounds.js";
import type { ServiceHandlers } from "./service.js";
import { receiptOf } from "./transparency.js";

export interface ArtifactsDependencies {
  readonly ledger: Ledger;
  readonly populations: Populations;
  readonly models: ModelChunks;
  readonly turnstile: Turnstile;
}

/** fedloop.v1.Artifacts */
export function artifactsService({
  ledger,
  populations,
  models,
  turnstile,
}: ArtifactsDependencies): ServiceHandlers<typeof Artifacts> {
  return {
    async *getArtifact({ sha256, offset }, { device }) {
      const population = populations.of(device);
      await population.models.require(sha256);
      yield* models.from(sha256, () => population.models.open(sha256), Number(offset));
    },
    async uploadChunk(request, { device, signal }) {
      const { data, sha256 } = request;
      const population = populations.named(request.population, device);
      const round = Number(request.round);
      const totalBytes = Number(request.totalBytes);
      if (data.length === 0) {
        const waitMs = Math.min(request.waitMs, LONGEST_WAIT_MS);
        return { nextOffset: BigInt(await population.reservePlace(device, round, totalBytes, waitMs, signal)) };
      }
      const chunk = { totalBytes, offset: Number(request.offset), data, sha256 };
      return { nextOffset: BigInt(await turnstile.pass(() => population.placeChunk(device, round, chunk))) };
    },
    async getModel(request, { device }) {
      const { stageIndex, file } = await populations.named(request.population, device).models.given(device.subject);
      const stage = stageIndex === null ? {} : { stage: (await receiptOf(ledger, stageIndex)).message };
      if (file === undefined) return stage;
      const { message } = await receiptOf(ledger, file.closeIndex);
      return { ...stage, close: message, totalBytes: BigInt(file.bytes) };
    },
  };
}
