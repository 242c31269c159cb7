// The one suite, over a folder and over a NATS object store.

import { Objm } from "@nats-io/obj";
import { connect } from "@nats-io/transport-node";
import t from "tap";
import { ArtifactStore } from "../../src/models/artifact-store.js";
import { ObjectStoreArtifacts } from "../../src/models/object-store-artifacts.js";
import { NatsServer, withoutNats } from "../messaging/nats-server.js";
import { temporaryFolder } from "../temporary-folder.js";
import { contentStoreCompliance, pattern } from "./content-store.js";

t.test("a folder", async (t) => {
  contentStoreCompliance(t, async (t) => {
    const folder = temporaryFolder(t);
    const again = (): Promise<ArtifactStore> => ArtifactStore.open(folder, { isShared: true });
    return { store: await again(), again };
  });
});

t.test("an object store", { skip: withoutNats() }, async (t) => {
  const server = await NatsServer.start();
  const connection = await connect({ servers: server.url });
  t.teardown(async () => {
    await connection.close();
    await server.close();
  });
  let buckets = 0;
  contentStoreCompliance(t, async (t) => {
    const bucket = `test-${++buckets}`;
    const again = async (): Promise<ObjectStoreArtifacts> =>
      ObjectStoreArtifacts.open(connection, bucket, await ArtifactStore.open(temporaryFolder(t)));
    return { store: await again(), again };
  });

  t.test("an object that was changed is not taken for the artifact", async (t) => {
    const open = async () =>
      ObjectStoreArtifacts.open(connection, "changed", await ArtifactStore.open(temporaryFolder(t)));
    const sha256 = await (await open()).put(pattern(1_000));
    const objects = await new Objm(connection).open("changed");
    await objects.putBlob({ name: Buffer.from(sha256).toString("hex") }, pattern(999));
    await t.rejects((await open()).read(sha256), { code: "ARTIFACT_CORRUPT" });
  });
});
