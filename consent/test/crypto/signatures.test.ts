import t from "tap";
import {
  encodeUtf8,
  generateWebCryptoSigner,
  isSoundPublicKey,
  isSoundSignature,
  type SignatureVerifier,
  type Signer,
  webCryptoSignerFromSeed,
  webCryptoVerifier,
} from "../../src/index.js";
import { generateNodeSigner, nodeSigner, nodeVerifier, verifierPool } from "../../src/index.node.js";
import { hex } from "../hex.js";
import { refuses, rejects } from "../refusals.js";

// RFC 8032 §7.1, tests 1 to 3: seed, public key, message, signature.
const rfc8032 = [
  [
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  ],
  [
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  ],
  [
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    "af82",
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  ],
] as const;

const order = (1n << 252n) + 27742317777372353535851937790883648493n;

function littleEndian(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0, rest = value; at < length; at++, rest >>= 8n) bytes[at] = Number(rest & 255n);
  return bytes;
}

/** The signature with the group order added to its S: the same equation holds, the bytes differ. */
function withLargerS(signature: Uint8Array): Uint8Array {
  let s = 0n;
  for (let at = 63; at >= 32; at--) s = (s << 8n) | BigInt(signature[at] ?? 0);
  const changed = signature.slice();
  changed.set(littleEndian(s + order, 32), 32);
  return changed;
}

interface Implementation {
  readonly name: string;
  readonly verifier: SignatureVerifier;
  readonly fromSeed: (seed: Uint8Array) => Promise<Signer> | Signer;
  readonly generate: () => Promise<Signer> | Signer;
}

const pool = verifierPool({ threads: 2 });
t.teardown(() => pool.close());

const implementations: readonly Implementation[] = [
  { name: "node:crypto", verifier: nodeVerifier(), fromSeed: nodeSigner, generate: generateNodeSigner },
  { name: "worker threads", verifier: pool, fromSeed: nodeSigner, generate: generateNodeSigner },
  {
    name: "WebCrypto",
    verifier: webCryptoVerifier(),
    fromSeed: webCryptoSignerFromSeed,
    generate: generateWebCryptoSigner,
  },
];

for (const { name, verifier, fromSeed, generate } of implementations) {
  t.test(`${name} makes and accepts the signatures of RFC 8032`, async (t) => {
    for (const [seed, publicKey, message, signature] of rfc8032) {
      const signer = await fromSeed(hex(seed));
      t.strictSame(signer.publicKey, hex(publicKey));
      t.strictSame(await signer.sign(hex(message)), hex(signature));
      t.equal(await verifier.verify(hex(publicKey), hex(message), hex(signature)), true);
    }
  });

  t.test(`${name} refuses a changed message, key or signature`, async (t) => {
    const signer = await generate();
    const message = encodeUtf8("one round");
    const signature = await signer.sign(message);
    t.equal(await verifier.verify(signer.publicKey, message, signature), true);
    t.equal(await verifier.verify(signer.publicKey, encodeUtf8("two rounds"), signature), false);
    t.equal(await verifier.verify((await generate()).publicKey, message, signature), false);
    for (const at of [0, 31, 32, 62]) {
      const changed = signature.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      t.equal(await verifier.verify(signer.publicKey, message, changed), false, `byte ${at}`);
    }
  });

  t.test(`${name} refuses S not below the group order`, async (t) => {
    const [, publicKey, message, signature] = rfc8032[1];
    t.equal(await verifier.verify(hex(publicKey), hex(message), withLargerS(hex(signature))), false);
  });

  t.test(`${name} refuses keys of small order, non-canonical keys and wrong lengths`, async (t) => {
    // With the neutral element as key and R, and S = 0, the plain equation holds for every message.
    const neutral = littleEndian(1n, 32);
    const forged = new Uint8Array(64);
    forged.set(neutral);
    t.equal(await verifier.verify(neutral, encodeUtf8("anything"), forged), false);
    const prime = (1n << 255n) - 19n;
    for (const y of [0n, 1n, prime - 1n, prime, prime + 1n])
      for (const sign of [0n, 1n << 255n])
        t.equal(await verifier.verify(littleEndian(y | sign, 32), encodeUtf8("anything"), forged), false);
    const signer = await generate();
    const message = encodeUtf8("x");
    const signature = await signer.sign(message);
    t.equal(await verifier.verify(signer.publicKey.subarray(1), message, signature), false);
    t.equal(await verifier.verify(new Uint8Array(33), message, signature), false);
    t.equal(await verifier.verify(signer.publicKey, message, signature.subarray(1)), false);
    t.equal(await verifier.verify(signer.publicKey, message, new Uint8Array(0)), false);
    // y = 2 has no x on the curve
    t.equal(await verifier.verify(littleEndian(2n, 32), message, signature), false);
  });
}

t.test("each implementation accepts what the other signed", async (t) => {
  const message = encodeUtf8("across");
  for (const one of implementations)
    for (const other of implementations) {
      const signer = await one.generate();
      t.equal(await other.verifier.verify(signer.publicKey, message, await signer.sign(message)), true);
    }
});

t.test("a seed of the wrong length is refused", async (t) => {
  refuses(t, "BAD_KEY", "node:crypto", () => nodeSigner(new Uint8Array(31)));
  await rejects(t, "BAD_KEY", "WebCrypto", () => webCryptoSignerFromSeed(new Uint8Array(33)));
});

t.test("every encoding of the eight torsion points is unsound, ordinary keys are sound", async (t) => {
  const torsion = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ];
  for (const key of torsion) t.equal(isSoundPublicKey(hex(key)), false, key);
  for (const [, key, , signature] of rfc8032) {
    t.equal(isSoundPublicKey(hex(key)), true);
    t.equal(isSoundSignature(hex(signature)), true);
  }
  t.equal(isSoundSignature(hex("00".repeat(32) + Buffer.from(littleEndian(order, 32)).toString("hex"))), false);
  t.equal(isSoundSignature(hex("00".repeat(32) + Buffer.from(littleEndian(order - 1n, 32)).toString("hex"))), true);
});

t.test("worker threads answer each of many signatures for itself", async (t) => {
  const signers = Array.from({ length: 20 }, generateNodeSigner);
  const checks = Array.from({ length: 1_000 }, (_, at) => {
    const signer = signers[at % signers.length] ?? generateNodeSigner();
    const message = encodeUtf8(`message ${at}`);
    const signature = signer.sign(message);
    if (at % 7 === 0) signature[5] = (signature[5] ?? 0) ^ 1;
    return pool.verify(signer.publicKey, message, signature);
  });
  const answers = await Promise.all(checks);
  t.strictSame(
    answers.flatMap((valid, at) => (valid ? [] : [at])),
    Array.from({ length: 143 }, (_, at) => 7 * at),
  );
});

t.test(
  "a pool that is closed fails what it has not answered, given to a thread or not, and takes nothing new",
  async (t) => {
    const closing = verifierPool({ threads: 1 });
    const signer = generateNodeSigner();
    const signature = signer.sign(encodeUtf8("x"));
    const check = (): Promise<boolean> => closing.verify(signer.publicKey, encodeUtf8("x"), signature);
    // A batch of 128 goes to the thread at once; the others wait for the end of the turn.
    const answers = Promise.allSettled(Array.from({ length: 130 }, check));
    await closing.close();
    t.ok((await answers).every(({ status }) => status === "rejected"));
    await t.rejects(check(), /ended before/);
  },
);
