// The one suite, over a folder and over a NATS object store.
import { setTimeout as wait } from "node:timers/promises";
import { Objm } from "@nats-io/obj";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import t, { type Test } from "tap";
import { ArtifactStore } from "../../src/models/artifact-store.js";
import { ObjectStoreArtifacts } from "../../src/models/object-store-artifacts.js";
import { NatsServer, withoutNats } from "../messaging/nats-server.js";
import { temporaryFolder } from "../temporary-folder.js";
import { within } from "../within.js";
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
  t.teardown(() => server.close());
  const connected = async (t: Test): Promise<NatsConnection> => {
    const connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    t.teardown(() => connection.close());
    return connection;
  };
  const connection = await connected(t);
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

  t.test("a bucket that is gone is made again, with all that each process has in its folder", async (t) => {
    const open = async (folder = temporaryFolder(t)) =>
      ObjectStoreArtifacts.open(await connected(t), "lost", await ArtifactStore.open(folder));
    const folder = temporaryFolder(t);
    const [first, second] = [await open(folder), await open()];
    for (const each of [first, second]) each.keepWhole();
    const removed = await first.put(pattern(30));
    await second.read(removed);
    await first.remove(removed);
    const old = [await first.put(pattern(300_000)), await second.put(pattern(20))];
    /** Another process that has nothing of its own finds all of it, as soon as those that have it have put it there again. */
    const foundAgain = async (hashes: readonly Uint8Array[]): Promise<void> => {
      const other = await open();
      for (const sha256 of hashes) {
        const finding = async (): Promise<void> => {
          while ((await other.size(sha256)) === undefined) await wait(20);
        };
        await within(finding(), () => "an object that is put again");
        t.same(Buffer.from(await other.read(sha256)), Buffer.from(await first.read(sha256)));
      }
    };
    await server.kill();
    await server.resume();
    await foundAgain(old);
    t.equal(await (await open()).size(removed), undefined, "what was removed stays so");

    await server.kill();
    server.forget();
    await server.resume();
    await foundAgain(old);

    await new Objm(await connected(t)).open("lost").then((objects) => objects.destroy());
    await foundAgain([await first.put(pattern(40)), ...old]);

    // While no process was there to see it.
    await new Objm(await connected(t)).open("lost").then((objects) => objects.destroy());
    (await open(folder)).keepWhole();
    await foundAgain(old);
  });
});
