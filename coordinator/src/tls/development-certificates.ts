import { randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";

/** A certificate and its private key, PEM. */
export interface IssuedCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface DevelopmentCertificates {
  /** The authority's certificate, PEM. Its key is not kept: nobody can sign anything else with it. */
  readonly ca: string;
  readonly server: IssuedCertificate;
  readonly client: IssuedCertificate;
}

const DAY_MS = 24 * 60 * 60 * 1_000;

/** The longest that platforms still accept of a server's certificate is 398 days. */
export const CERTIFICATE_DAYS = 397;

const KEY = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** Names of this machine: what a development server is reached by. */
export const LOCAL_NAMES: readonly string[] = ["localhost", "127.0.0.1", "::1"];

/**
 * An authority, and certificates of it for one server and one client, for development: ECDSA over P-256, RFC 5280.
 *
 * @param names host names and addresses of the server, beside this machine's own
 */
export async function developmentCertificates(
  names: readonly string[],
  nowMs: number,
): Promise<DevelopmentCertificates> {
  const lifetime = {
    // Clocks of two machines differ a little.
    notBefore: new Date(nowMs - 60 * 60 * 1_000),
    notAfter: new Date(nowMs + CERTIFICATE_DAYS * DAY_MS),
    serialNumber: serialNumber(),
    signingAlgorithm: KEY,
  };
  const authority = await webcrypto.subtle.generateKey(KEY, false, ["sign", "verify"]);
  const authorityName = "CN=fedloop development authority";
  const ca = await x509.X509CertificateGenerator.createSelfSigned(
    {
      ...lifetime,
      name: authorityName,
      keys: authority,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(authority.publicKey, false, webcrypto as Crypto),
      ],
    },
    webcrypto as Crypto,
  );
  const issue = async (
    commonName: string,
    usage: x509.ExtendedKeyUsage,
    extensions: readonly x509.Extension[],
  ): Promise<IssuedCertificate> => {
    const keys = await webcrypto.subtle.generateKey(KEY, true, ["sign", "verify"]);
    const certificate = await x509.X509CertificateGenerator.create(
      {
        ...lifetime,
        serialNumber: serialNumber(),
        subject: `CN=${commonName}`,
        issuer: ca.subject,
        publicKey: keys.publicKey,
        signingKey: authority.privateKey,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([usage], false),
          await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto as Crypto),
          await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey, false, webcrypto as Crypto),
          ...extensions,
        ],
      },
      webcrypto as Crypto,
    );
    const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
    return { cert: pem(certificate), key: x509.PemConverter.encode(pkcs8, "PRIVATE KEY") };
  };
  const subjects = [...new Set([...LOCAL_NAMES, ...names])].map((name) => ({
    type: isIP(name) === 0 ? ("dns" as const) : ("ip" as const),
    value: name,
  }));
  return {
    ca: pem(ca),
    server: await issue("fedloop development server", x509.ExtendedKeyUsage.serverAuth, [
      new x509.SubjectAlternativeNameExtension(subjects),
    ]),
    client: await issue("fedloop development client", x509.ExtendedKeyUsage.clientAuth, []),
  };
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString("pem")}\n`;
}

/** Positive, of at most 20 octets (RFC 5280, section 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}
