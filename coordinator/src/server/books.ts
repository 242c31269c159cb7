import { join } from "node:path";
import { type NoteSigner, noteSigner, type SignatureVerifier } from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import type { AccessStore } from "../access/access-store.js";
import { AccessTokens } from "../access/access-tokens.js";
import { Invitations } from "../access/invitations.js";
import { Ledger } from "../ledger/ledger.js";
import type { Messaging } from "../messaging/messaging.js";
import { ArtifactStore } from "../models/artifact-store.js";
import type { ContentStore } from "../models/content-store.js";
import { removeUnnamedSums } from "../models/named-artifacts.js";
import { Registry } from "../registry/registry.js";
import { Erasures } from "../vault/erasures.js";
import { Tombstones, tombstonesPath } from "../vault/tombstones.js";
import type { CoordinatorKeys } from "./keys.js";
import type { CoordinatorOptions } from "./options.js";
import type { Storage } from "./storage.js";

/** What a coordinator keeps, and whom it knows. */
export interface Books extends Storage {
  readonly access: AccessStore;
  readonly accessTokens: AccessTokens;
  readonly messaging: Messaging | undefined;
  readonly artifacts: ContentStore;
  readonly ledger: Ledger;
  readonly checkpoints: NoteSigner;
  readonly verifier: SignatureVerifier;
  readonly erasures: Erasures;
  readonly registry: Registry;
}

/** Opens what lies on the open storage. */
export async function openBooks(
  options: CoordinatorOptions,
  keys: CoordinatorKeys,
  storage: Storage & { readonly access: AccessStore },
): Promise<Books> {
  const { store, vault, access } = storage;
  const { clock, dataDir, origin } = options;
  const accessTokens = new AccessTokens(access, clock);
  const folder = await ArtifactStore.open(options.artifactsDir ?? join(dataDir, "artifacts"), {
    isShared: store.isShared,
  });
  const messaging = await openMessaging(options, keys, folder);
  const artifacts: ContentStore = messaging?.artifacts ?? folder;
  await removeUnnamedSums(store, artifacts, store.isShared);
  const checkpoints = noteSigner(origin, keys.checkpoint);
  const ledger = await Ledger.open({ store, origin, operatorSigner: keys.operator, noteSigner: checkpoints, clock });
  const verifier = nodeVerifier();
  const tombstones = await Tombstones.open(tombstonesPath(options));
  const erasures = await Erasures.open({ store, ledger, vault, clock, tombstones });
  const registry = new Registry({
    store,
    verifier,
    clock,
    policy:
      options.enrolment.type === "token"
        ? { invitations: new Invitations(access, clock), ...options.enrolment }
        : options.enrolment,
    vault,
    isErasedKey: (publicKey) => erasures.isErasedKey(publicKey),
  });
  return { ...storage, accessTokens, messaging, artifacts, ledger, checkpoints, verifier, erasures, registry };
}

/** The client of NATS is loaded only where there is one. */
async function openMessaging(
  options: CoordinatorOptions,
  keys: CoordinatorKeys,
  folder: ArtifactStore,
): Promise<Messaging | undefined> {
  const { nats } = options;
  if (!nats) return undefined;
  const { Messaging } = await import("../messaging/messaging.js");
  return Messaging.open({ ...options, nats, secret: keys.cluster, folder });
}
