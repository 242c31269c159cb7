import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { type SignatureVerifier, subjectPseudonym } from "@fedloop/consent";
import type { Invitations } from "../access/invitations.js";
import { CoordinatorError } from "../errors.js";
import type { Store } from "../store/database.js";
import type { Vault } from "../vault/vault.js";
import type { AttestationCheck } from "./attestation.js";
import type { Device } from "./device.js";
import { DeviceRows } from "./device-rows.js";
import { NonceMemory } from "./nonce-memory.js";
import { RecentDevices } from "./recent-devices.js";

/** How long a session lasts. A device that comes back later enrolls again with the same key. */
export const SESSION_MS: number = 24 * 60 * 60 * 1000;

/** A signed time may differ from the server's clock by this much. */
export const CLOCK_SKEW_MS: number = 5 * 60 * 1000;

/** An invitation, as the operator configured it. */
export interface EnrolmentToken {
  /** SHA-256 of the token, 32 bytes. */
  readonly sha256: Uint8Array;
  readonly expiresMs: number;
}

/** Who may enroll: anyone; who holds an invitation, one of the configuration or one that was made; or who is attested. */
export type EnrolmentPolicy =
  | { readonly type: "open" }
  | {
      readonly type: "token";
      readonly tokens: readonly EnrolmentToken[];
      readonly invitations?: Pick<Invitations, "admit">;
    }
  | { readonly type: "attestation"; readonly check: AttestationCheck };

export interface Enrolment {
  readonly population: string;
  readonly publicKey: Uint8Array;
  readonly timeMs: number;
  readonly nonce: Uint8Array;
  readonly signature: Uint8Array;
  readonly token: string;
}

export interface RegistryOptions {
  readonly store: Store;
  readonly verifier: SignatureVerifier;
  readonly clock: { now(): number };
  readonly policy: EnrolmentPolicy;
  readonly vault: Pick<Vault, "subjects">;
  /** Whether a device key was one of a participant who was erased. */
  readonly isErasedKey: (publicKey: Uint8Array) => boolean;
}

/** Of so many devices that called lately it is known in memory who they are: some 50 MB. */
const RECENT_DEVICES = 100_000;

/** Who the devices are. Kept in memory as they call, and in the store for good. */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #devices = new RecentDevices(RECENT_DEVICES);
  readonly #nonces = new NonceMemory(CLOCK_SKEW_MS);
  readonly #rows: DeviceRows;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#rows = new DeviceRows(options.store);
  }

  /**
   * Registers a key, or opens a new session for one that is registered. An invitation admits a key once: it comes back
   * without one until it leaves. An enrolment counts once: who repeats another's gets neither the participant's key that an
   * answer holds, nor ends a session, nor brings back who has left. In the store stands which one came last, so that this holds
   * after a restart, and at another coordinator.
   *
   * @throws CoordinatorError UNKNOWN_POPULATION, BAD_REQUEST, BAD_SIGNATURE, CLOCK_SKEW, REPLAYED, TOKEN_REQUIRED,
   * TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_USED, NOT_ATTESTED, RETRY, ERASED
   */
  async enroll(enrolment: Enrolment): Promise<Device> {
    await this.#check(enrolment);
    const { population, publicKey, nonce, timeMs } = enrolment;
    const name = [publicKey, nonce].map((bytes) => Buffer.from(bytes).toString("base64url")).join(".");
    // Only after the signature: else anyone could burn a key's nonces.
    if (!this.#nonces.use(`${population}\n${name}`, timeMs, this.#options.clock.now())) throw replayed();
    return this.#enroll(enrolment);
  }

  async #enroll(enrolment: Enrolment): Promise<Device> {
    if (this.#options.isErasedKey(enrolment.publicKey)) {
      throw new CoordinatorError(
        "ERASED",
        "expected a key of its own, came one of a participant who was erased; make a fresh key to take part anew",
      );
    }
    const now = this.#options.clock.now();
    const known = await this.#findByKey(enrolment.population, enrolment.publicKey);
    if (known !== undefined && !isAfter(enrolment, known.last)) throw replayed();
    if (known === undefined || known.hasLeft) await this.#admit(enrolment);
    const session = randomBytes(16);
    const expires = now + SESSION_MS;
    if (known === undefined) {
      const device = await this.#newDevice(enrolment, session, expires);
      // The same key at the same time, from a call that was repeated: the one that came first made the device.
      if (!(await this.#insert(device, enrolment, session, now))) {
        await this.#options.vault.subjects.destroy(device.id);
        return this.#enroll(enrolment);
      }
      this.#devices.set(device);
      return device;
    }
    const opened: Device = { ...known.device, session: session.toString("base64url"), sessionExpiresMs: expires };
    const { timeMs, nonce } = enrolment;
    const { numUpdatedRows } = await this.#options.store.db
      .updateTable("devices")
      .set({ session, session_expires_ms: expires, left_ms: null, enrol_time_ms: timeMs, enrol_nonce: nonce })
      .where("device_id", "=", Buffer.from(opened.id, "base64url"))
      // As above, should another coordinator have written meanwhile.
      .where((row) =>
        row.or([
          row("enrol_time_ms", "is", null),
          row("enrol_time_ms", "<", timeMs),
          row.and([row("enrol_time_ms", "=", timeMs), row("enrol_nonce", "!=", Buffer.from(nonce))]),
        ]),
      )
      .executeTakeFirst();
    if (numUpdatedRows === 0n) throw replayed();
    this.#devices.set(opened);
    return opened;
  }

  /** The key of the device's participant, 32 bytes; undefined where the vault has lost it. */
  subjectKey(device: Device): Promise<Uint8Array | undefined> {
    return this.#options.vault.subjects.find(device.id);
  }

  /** Knows nothing any more of a device whose rows were erased. */
  forget(device: Device): void {
    this.#devices.delete(device.id);
  }

  /** Knows of no device what the store does not say now: another coordinator may have written to it. */
  forgetAll(): void {
    this.#devices.clear();
  }

  /** The device with this id, or undefined when it is unknown or has left. */
  async find(id: string): Promise<Device | undefined> {
    return this.#devices.get(id) ?? this.findAnew(id);
  }

  /** The same as the store says now. */
  async findAnew(id: string): Promise<Device | undefined> {
    const row = await this.#options.store.db
      .selectFrom("devices")
      .selectAll()
      .where("device_id", "=", Buffer.from(id, "base64url"))
      .where("left_ms", "is", null)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const device = fromRow(row);
    this.#devices.set(device);
    return device;
  }

  /**
   * Replaces the device key. The session goes on.
   *
   * @throws CoordinatorError BAD_SIGNATURE when the new key did not sign the request; CONFLICT when another device has it
   */
  async rotateKey(device: Device, newPublicKey: Uint8Array, newKeySignature: Uint8Array): Promise<void> {
    const message = Buffer.from(
      `fedloop-rotate/v1\n${device.id}\n${Buffer.from(newPublicKey).toString("base64url")}\n`,
    );
    if (!(await this.#options.verifier.verify(newPublicKey, message, newKeySignature))) {
      throw new CoordinatorError(
        "BAD_SIGNATURE",
        "expected a signature by the new key over the rotation, it does not verify",
      );
    }
    const holder = await this.#findByKey(device.population, newPublicKey);
    if (holder !== undefined && holder.device.id !== device.id) {
      throw new CoordinatorError(
        "CONFLICT",
        "expected a key of the device's own, came another device's; make a fresh one",
      );
    }
    await this.#options.store.db
      .updateTable("devices")
      .set({ public_key: newPublicKey })
      .where("device_id", "=", Buffer.from(device.id, "base64url"))
      .execute();
    this.#devices.set({ ...device, publicKey: own(newPublicKey) });
  }

  /** Ends the registration. */
  async leave(device: Device): Promise<void> {
    await this.#options.store.db
      .updateTable("devices")
      .set({ left_ms: this.#options.clock.now(), session: null })
      .where("device_id", "=", Buffer.from(device.id, "base64url"))
      .execute();
    this.#devices.delete(device.id);
  }

  /** The pseudonyms of all devices registered in a population. */
  async subjects(population: string): Promise<string[]> {
    const rows = await this.#options.store.db
      .selectFrom("devices")
      .select("subject")
      .where("population", "=", population)
      .where("left_ms", "is", null)
      .execute();
    return rows.map(({ subject }) => subject);
  }

  /** How many devices are registered in a population. */
  async count(population: string): Promise<number> {
    const row = await this.#options.store.db
      .selectFrom("devices")
      .select(({ fn }) => fn.countAll<number>().as("count"))
      .where("population", "=", population)
      .where("left_ms", "is", null)
      .executeTakeFirstOrThrow();
    return Number(row.count);
  }

  async #check(enrolment: Enrolment): Promise<void> {
    const { store, verifier, clock } = this.#options;
    const { population, publicKey, nonce, timeMs, signature } = enrolment;
    if (publicKey.length !== 32 || nonce.length !== 16) {
      throw new CoordinatorError("BAD_REQUEST", "expected a public key of 32 bytes and a nonce of 16");
    }
    if (Math.abs(clock.now() - timeMs) > CLOCK_SKEW_MS) {
      throw new CoordinatorError(
        "CLOCK_SKEW",
        "expected a time within 5 minutes of the server's; correct it and repeat",
      );
    }
    const key = Buffer.from(publicKey).toString("base64url");
    const signed = Buffer.from(
      `fedloop-enroll/v1\n${population}\n${key}\n${Buffer.from(nonce).toString("base64url")}\n${timeMs}\n`,
    );
    if (!(await verifier.verify(publicKey, signed, signature))) {
      throw new CoordinatorError("BAD_SIGNATURE", "expected the enrolment signed by its own key, it does not verify");
    }
    const found = await store.db
      .selectFrom("populations")
      .select("name")
      .where("name", "=", population)
      .executeTakeFirst();
    if (found === undefined) {
      throw new CoordinatorError(
        "UNKNOWN_POPULATION",
        `expected a population of this coordinator, came "${population.slice(0, 64)}"`,
      );
    }
  }

  async #admit({ token, population, publicKey }: Enrolment): Promise<void> {
    const { policy, clock } = this.#options;
    if (policy.type === "open") return;
    if (token === "")
      throw new CoordinatorError("TOKEN_REQUIRED", "expected an invitation token; ask the operator for one");
    if (policy.type === "attestation") {
      if (await policy.check.isGenuine(token, { population, publicKey })) return;
      throw new CoordinatorError("NOT_ATTESTED", "expected an attestation that the operator accepts, came another");
    }
    const digest = createHash("sha256").update(token).digest();
    const match = policy.tokens.find((candidate) => timingSafeEqual(digest, candidate.sha256));
    if (match === undefined) {
      if (policy.invitations !== undefined) return policy.invitations.admit(token, population, publicKey);
      throw new CoordinatorError("TOKEN_INVALID", "expected an invitation of this coordinator, came an unknown one");
    }
    if (match.expiresMs <= clock.now()) {
      throw new CoordinatorError(
        "TOKEN_EXPIRED",
        "expected an invitation in force, came an expired one; ask for a new one",
      );
    }
  }

  async #findByKey(
    population: string,
    publicKey: Uint8Array,
  ): Promise<{ readonly device: Device; readonly hasLeft: boolean; readonly last: LastEnrolment } | undefined> {
    const row = await this.#options.store.db
      .selectFrom("devices")
      .selectAll()
      .where("population", "=", population)
      .where("public_key", "=", publicKey)
      .executeTakeFirst();
    return row === undefined ? undefined : { device: fromRow(row), hasLeft: row.left_ms !== null, last: row };
  }

  /** @returns false when the key is registered already; nothing is then changed */
  #insert(device: Device, { timeMs, nonce }: Enrolment, session: Uint8Array, now: number): Promise<boolean> {
    return this.#rows.add({
      device_id: Buffer.from(device.id, "base64url"),
      population: device.population,
      public_key: device.publicKey,
      subject: device.subject,
      session,
      session_expires_ms: device.sessionExpiresMs,
      enrolled_ms: now,
      left_ms: null,
      enrol_time_ms: timeMs,
      enrol_nonce: nonce,
    });
  }

  /** A device whose participant's key is durable in the vault: its pseudonym is made from that key. */
  async #newDevice({ population, publicKey }: Enrolment, session: Buffer, sessionExpiresMs: number): Promise<Device> {
    const id = randomBytes(16).toString("base64url");
    const subject = subjectPseudonym(await this.#options.vault.subjects.obtain(id), population);
    return {
      id,
      population,
      publicKey: own(publicKey),
      subject,
      session: session.toString("base64url"),
      sessionExpiresMs,
    };
  }
}

/** Bytes of a message, kept for long: a copy, since they lie in a piece of memory of 8 KiB that would be kept with them. */
function own(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** The enrolment of a key that was signed last, as its row says; null in rows of versions before. */
interface LastEnrolment {
  readonly enrol_time_ms: number | null;
  readonly enrol_nonce: Uint8Array | null;
}

function isAfter({ timeMs, nonce }: Enrolment, { enrol_time_ms: lastMs, enrol_nonce: last }: LastEnrolment): boolean {
  if (lastMs === null || last === null || timeMs > lastMs) return true;
  return timeMs === lastMs && !Buffer.from(nonce).equals(last);
}

function replayed(): CoordinatorError {
  return new CoordinatorError(
    "REPLAYED",
    "expected an enrolment signed after the last one of this key, came an earlier one or the same; sign it anew",
  );
}

interface DeviceRow {
  readonly device_id: Uint8Array;
  readonly population: string;
  readonly public_key: Uint8Array;
  readonly subject: string;
  readonly session: Uint8Array | null;
  readonly session_expires_ms: number;
}

function fromRow(row: DeviceRow): Device {
  return {
    id: Buffer.from(row.device_id).toString("base64url"),
    population: row.population,
    publicKey: new Uint8Array(row.public_key),
    subject: row.subject,
    session: row.session === null ? null : Buffer.from(row.session).toString("base64url"),
    sessionExpiresMs: row.session_expires_ms,
  };
}
