// The generated descriptors are written out without their binary form. Here they are held against the .proto files, as buf
// reads them.
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createFileRegistry, type DescFile, type DescMessage, type DescService, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import t from "tap";
import { Artifacts, Consent, Enrollment, ErrorDetailSchema, Rounds, Transparency } from "../src/index.js";

const GENERATED = [Artifacts, Consent, Enrollment, ErrorDetailSchema, Rounds, Transparency].map(({ file }) => file);

function contract(): Uint8Array {
  const require = createRequire(import.meta.url);
  const buf = join(dirname(require.resolve("@bufbuild/buf/package.json")), "bin", "buf");
  const cwd = dirname(require.resolve("@fedloop/proto/package.json"));
  return execFileSync(process.execPath, [buf, "build", "--as-file-descriptor-set", "-o", "-"], { cwd });
}

/** What encoding depends on: other descriptors by name, and without the source that a descriptor was made from. */
function facts(value: unknown, key = ""): unknown {
  if (typeof value === "function") return key === "getDefaultValue" ? value() : undefined;
  if (Array.isArray(value)) return value.map((each) => facts(each));
  if (typeof value !== "object" || value === null) return value;
  const isReference =
    ["file", "input", "message", "output", "parent"].includes(key) || (key === "oneof" && "fields" in value);
  if (isReference) return String(value);
  const own = Object.entries(value).filter(([name]) => name !== "proto");
  return Object.fromEntries([...own.map(([name, each]) => [name, facts(each, name)]), ["text", String(value)]]);
}

function factsOf({ name, edition, messages, enums, services, dependencies }: DescFile): unknown {
  const defined: readonly (DescMessage | DescService | DescFile["enums"][number])[] = [
    ...messages,
    ...enums,
    ...services,
  ];
  return { name, edition, dependencies: dependencies.map(String), defined: defined.map((each) => facts(each)) };
}

t.test("the descriptors say what the .proto files say", async (t) => {
  const truth = createFileRegistry(fromBinary(FileDescriptorSetSchema, contract()));
  t.equal([...truth.files].length, GENERATED.length);
  for (const file of GENERATED) {
    const read = truth.getFile(`${file.name}.proto`);
    if (read === undefined) t.fail(`${file.name} is not among the sources`);
    else t.strictSame(factsOf(file), factsOf(read), file.name);
  }
});
