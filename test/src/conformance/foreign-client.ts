// A client of the wire contract that shares no code with this project: made from the .proto files and what their
// comments say, as someone would make it in another language.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import {
  type AnyDefinition,
  loadSync,
  type MessageTypeDefinition,
  type Options,
  type PackageDefinition,
} from "@grpc/proto-loader";
import * as z from "zod";

/** The folder that the contract's files are in. */
const PROTO_ROOT = dirname(createRequire(import.meta.url).resolve("@fedloop/proto/package.json"));

/** How messages look in JavaScript: names as in the file, 64-bit integers as decimal strings. */
export const FORM: Options = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };

/** The whole contract, read from its sources. */
export function loadContract(): PackageDefinition {
  const names = ["artifacts", "authentication", "consent", "enrollment", "rounds", "transparency"];
  return loadSync(
    names.map((name) => `fedloop/v1/${name}.proto`),
    { ...FORM, includeDirs: [PROTO_ROOT] },
  );
}

/** Loads any other .proto file in the same form. */
export function loadFile(path: string): PackageDefinition {
  return loadSync(path, FORM);
}

interface Method {
  readonly path: string;
  readonly requestSerialize: (request: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => object;
}

function methodOf(contract: PackageDefinition, service: string, name: string): Method {
  const definition = contract[service];
  if (definition === undefined || "format" in definition) throw new Error(`expected a service ${service}`);
  const method = definition[name];
  if (method === undefined) throw new Error(`expected a method ${name} in ${service}`);
  return method;
}

/** authentication.proto: `ErrorDetail`. */
export interface ErrorDetail {
  readonly code: string;
  readonly message: string;
  readonly retry_after_ms: number;
  readonly server_time_ms: string;
}

const errorDetail: z.ZodType<ErrorDetail> = z.object({
  code: z.string(),
  message: z.string(),
  retry_after_ms: z.number(),
  server_time_ms: z.string(),
});

function isMessage(definition: AnyDefinition): definition is MessageTypeDefinition<object, object> {
  return "format" in definition && "deserialize" in definition;
}

/** A call that failed: its gRPC status, and the detail that authentication.proto attaches. */
export class CallError extends Error {
  readonly status: string;
  readonly detail: ErrorDetail | undefined;

  constructor(contract: PackageDefinition, error: ServiceError) {
    super(error.message);
    this.status = status[error.code] ?? String(error.code);
    const definition = contract["fedloop.v1.ErrorDetail"];
    const [bytes] = error.metadata.get("fedloop-error-bin");
    if (bytes instanceof Buffer && definition !== undefined && isMessage(definition)) {
      this.detail = errorDetail.parse(definition.deserialize(bytes));
    }
  }
}

function isServiceError(cause: unknown): cause is ServiceError {
  return cause instanceof Error && "metadata" in cause && cause.metadata instanceof Metadata;
}

/** enrollment.proto: `EnrollResponse`, as far as it is used. */
export interface Enrolled {
  readonly device_id: Buffer;
  readonly session: Buffer;
  readonly subject: string;
  readonly log: { readonly origin: string; readonly verifier_key: string };
}

const enrolled: z.ZodType<Enrolled> = z.object({
  device_id: z.instanceof(Buffer),
  session: z.instanceof(Buffer),
  subject: z.string(),
  log: z.object({ origin: z.string(), verifier_key: z.string() }),
});

/** One device of a foreign make. */
export class ForeignClient {
  readonly contract: PackageDefinition;
  readonly client: Client;
  readonly #key: KeyObject;
  /** Ed25519 public key, 32 bytes. */
  readonly publicKey: Buffer;
  deviceId = "";
  session = "";

  constructor(address: string, contract: PackageDefinition = loadContract()) {
    this.contract = contract;
    this.client = new Client(address, credentials.createInsecure());
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    this.#key = privateKey;
    // The last 32 bytes of an Ed25519 SubjectPublicKeyInfo (RFC 8410) are the key.
    this.publicKey = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  }

  /** Ed25519 by the device key. */
  sign(text: string): Buffer {
    return sign(null, Buffer.from(text, "utf8"), this.#key);
  }

  /** A signed unary call; `service` without its package. */
  call(service: string, name: string, request: object): Promise<object> {
    const method = methodOf(this.contract, `fedloop.v1.${service}`, name);
    const body = method.requestSerialize(request);
    return this.#unary(method, body, this.#metadata(method.path, body));
  }

  /** A unary call that needs no session; `service` with its package. */
  callOpen(service: string, name: string, request: object): Promise<object> {
    const method = methodOf(this.contract, service, name);
    return this.#unary(method, method.requestSerialize(request), new Metadata());
  }

  /** One question and its answer on a stream of both directions. */
  converse(service: string, name: string, request: object): Promise<object> {
    const method = methodOf(this.contract, service, name);
    const call = this.client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize);
    return new Promise((resolve, reject) => {
      call.once("error", reject);
      call.once("data", resolve);
      call.write(request);
      call.end();
    });
  }

  #unary(method: Method, body: Buffer, metadata: Metadata): Promise<object> {
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        method.path,
        (bytes: Buffer) => bytes,
        method.responseDeserialize,
        body,
        metadata,
        (error, answer) => {
          if (error !== null) reject(new CallError(this.contract, error));
          else resolve(answer ?? {});
        },
      );
    });
  }

  /** A call whose answers are a stream. */
  async *stream(service: string, name: string, request: object): AsyncGenerator<unknown> {
    const method = methodOf(this.contract, `fedloop.v1.${service}`, name);
    const body = method.requestSerialize(request);
    const metadata = this.#metadata(method.path, body);
    const call = this.client.makeServerStreamRequest(
      method.path,
      (bytes: Buffer) => bytes,
      method.responseDeserialize,
      body,
      metadata,
    );
    call.on("error", () => undefined);
    try {
      yield* call;
    } catch (cause) {
      throw isServiceError(cause) ? new CallError(this.contract, cause) : cause;
    } finally {
      call.cancel();
    }
  }

  /** enrollment.proto: `EnrollRequest`. */
  async enroll(population: string): Promise<Enrolled> {
    const nonce = randomBytes(16);
    const timeMs = String(Date.now());
    const key = this.publicKey.toString("base64url");
    const signature = this.sign(
      `fedloop-enroll/v1\n${population}\n${key}\n${nonce.toString("base64url")}\n${timeMs}\n`,
    );
    const request = { population, public_key: this.publicKey, time_ms: timeMs, nonce, signature };
    const answer = enrolled.parse(await this.callOpen("fedloop.v1.Enrollment", "Enroll", request));
    this.deviceId = answer.device_id.toString("base64url");
    this.session = answer.session.toString("base64url");
    return answer;
  }

  /** authentication.proto: the five metadata entries. */
  #metadata(path: string, body: Buffer): Metadata {
    const nonce = randomBytes(16).toString("base64url");
    const time = String(Date.now());
    const digest = createHash("sha256").update(body).digest("hex");
    const signature = this.sign(`fedloop-request/v1\n${path}\n${this.session}\n${nonce}\n${time}\n${digest}\n`);
    const metadata = new Metadata();
    metadata.set("fedloop-device", this.deviceId);
    metadata.set("fedloop-session", this.session);
    metadata.set("fedloop-nonce", nonce);
    metadata.set("fedloop-time", time);
    metadata.set("fedloop-signature", signature.toString("base64url"));
    return metadata;
  }

  close(): void {
    this.client.close();
  }
}
