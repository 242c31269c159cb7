// What an app gets when it installs the runtime: packed as for publishing, installed into an empty folder.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

const MOST_PACKAGES = 12;
const PACKAGES = ["proto", "privacy", "consent", "client-runtime"];
const root: string = fileURLToPath(new URL("../../..", import.meta.url));

interface Installed {
  readonly name: string;
  readonly scripts?: { readonly [name: string]: string };
}

/** The package.json of every package under a node_modules folder. */
function installedPackages(nodeModules: string): Installed[] {
  const files = readdirSync(nodeModules, { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => /^(?:.*node_modules\/)?(?:@[^/]+\/)?[^/@.][^/]*\/package\.json$/.test(file))
    .map((file) => JSON.parse(readFileSync(join(nodeModules, file), "utf8")));
}

t.test("an empty app that installs the runtime gets few packages, no install script, nothing native", async (t) => {
  const folder = t.testdir();
  const tarballs = PACKAGES.map((name) => {
    const options = { cwd: join(root, name), encoding: "utf8" } as const;
    const [packed] = JSON.parse(execFileSync("npm", ["pack", "--json", "--pack-destination", folder], options));
    return `./${packed.filename}`;
  });
  const app = join(folder, "app");
  mkdirSync(app);
  writeFileSync(join(app, "package.json"), JSON.stringify({ name: "app", version: "1.0.0", private: true }));
  const install = ["install", "--no-audit", "--no-fund", ...tarballs.map((tarball) => join("..", tarball))];
  execFileSync("npm", install, { cwd: app, encoding: "utf8" });

  const packages = installedPackages(join(app, "node_modules"));
  t.ok(packages.length <= MOST_PACKAGES, `${packages.length} packages: ${packages.map(({ name }) => name).join(", ")}`);
  for (const name of PACKAGES)
    t.ok(
      packages.some((installed) => installed.name === `@fedloop/${name}`),
      name,
    );
  const scripted = packages.filter(({ scripts }) =>
    ["preinstall", "install", "postinstall"].some((name) => scripts?.[name] !== undefined),
  );
  t.same(scripted, []);
  const files = readdirSync(join(app, "node_modules"), { recursive: true, encoding: "utf8" });
  t.same(
    files.filter((file) => /\.(?:node|so|dylib|dll|exe|a|o)$|(?:^|\/)binding\.gyp$/.test(file)),
    [],
  );
  t.notOk(
    packages.some(({ name }) => name.startsWith("@tensorflow/") || name.startsWith("@grpc/")),
    "TensorFlow.js and gRPC come with the apps that want them",
  );
  for (const [entry, name] of [
    ["", "Participant"],
    ["/browser", "indexedDbStore"],
    ["/connect", "connectTransport"],
    ["/node", "fileStore"],
    ["/worker", "WorkerParticipant"],
  ]) {
    const check = `import("@fedloop/client-runtime${entry}").then(({ ${name} }) => console.log(typeof ${name}))`;
    const options = { cwd: app, encoding: "utf8" } as const;
    t.equal(execFileSync(process.execPath, ["--eval", check], options), "function\n", `entry point ${entry}`);
  }
});
