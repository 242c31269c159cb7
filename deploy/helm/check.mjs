// node deploy/helm/check.mjs: renders the chart with Go's templates, checks what comes out against Kubernetes' types, and has the
// coordinator read its configuration out of it.
//
// Needs Go with sprig (Debian: apt-get install golang-go golang-github-masterminds-sprig-dev), the npm registry for
// kubernetes-types, and a built repository.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, parseAllDocuments } from "yaml";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, "..", "..");
const CHART = join(HERE, "fedloop");
/** Of Kubernetes 1.30. */
const TYPES = "kubernetes-types@1.30.0";
const KINDS = { StatefulSet: "apps/v1", Service: "core/v1", ConfigMap: "core/v1" };

const work = mkdtempSync(join(tmpdir(), "fedloop-chart-"));
process.on("exit", () => rmSync(work, { recursive: true, force: true }));

function run(program, args, options = {}) {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], ...options });
  } catch (cause) {
    console.error(`check: ${program} ${args.slice(0, 3).join(" ")}: ${cause.stderr || cause.stdout || cause.message}`);
    process.exit(1);
  }
}

function fedloop(...args) {
  return run(process.execPath, [join(ROOT, "coordinator", "bin", "fedloop.js"), ...args]);
}

const renderer = join(work, "render");
run("go", ["build", "-o", renderer, join(HERE, "render.go")], {
  env: { GOPATH: "/usr/share/gocode", ...process.env, GO111MODULE: "off", GOCACHE: join(work, "cache"), GOFLAGS: "" },
});

/** The chart's documents under changed values. */
function rendered(change) {
  const values = parse(readFileSync(join(CHART, "values.yaml"), "utf8"));
  change(values);
  const path = join(work, "values.json");
  writeFileSync(path, JSON.stringify(values));
  const texts = JSON.parse(run(renderer, [CHART, path, "here"]));
  return Object.entries(texts).flatMap(([name, text]) =>
    parseAllDocuments(text).map((document) => {
      if (document.errors.length > 0) throw new Error(`${name}: ${document.errors[0]}`);
      return document.toJS();
    }),
  );
}

// A plan and certificates as `fedloop init` makes them.
const written = join(work, "written");
fedloop("init", written);
const withPlan = (values) => {
  for (const name of ["plan.yaml", "notice.md"]) values.files[name] = readFileSync(join(written, name), "utf8");
};
const cases = {
  "as it stands": withPlan,
  "with all that may be named": (values) => {
    withPlan(values);
    values.secrets.secretName = "hooks";
    values.persistence.storageClass = "fast";
    values.service.type = "LoadBalancer";
    values.nodeSelector = { disk: "ssd" };
    values.tolerations = [{ key: "fedloop", operator: "Exists", effect: "NoSchedule" }];
    values.config.more = { enrolment: { mode: "token" }, limits: { perIdentity: { perSecond: 5 } } };
  },
};

// Kubernetes takes fields that it does not know without a word: as object literals TypeScript does not.
const sources = [];
for (const [name, change] of Object.entries(cases)) {
  const documents = rendered(change);
  for (const [at, document] of documents.entries()) {
    const group = KINDS[document.kind];
    if (group === undefined) throw new Error(`the check does not know ${document.kind}`);
    const variable = `document${sources.length}`;
    sources.push(
      `import type { ${document.kind} as Kind${sources.length} } from "kubernetes-types/${group}.d.ts";`,
      `// ${name}, document ${at}`,
      `export const ${variable}: Kind${sources.length} = ${JSON.stringify(document, null, 2)};`,
    );
  }
  const { data } = documents.find(({ kind }) => kind === "ConfigMap");
  const folder = join(work, `config-${sources.length}`);
  mkdirSync(folder);
  for (const [file, text] of Object.entries(data)) writeFileSync(join(folder, file), text);
  fedloop("plan", "validate", "--config", join(folder, "fedloop.yaml"));
  console.log(`${name}: ${documents.map(({ kind }) => kind).join(", ")} rendered; fedloop.yaml and its plan are valid`);
}
run("npm", ["install", "--no-save", "--prefix", work, TYPES], { cwd: work });
writeFileSync(join(work, "documents.ts"), `${sources.join("\n")}\n`);
const options = ["--strict", "--noEmit", "--skipLibCheck", "--module", "nodenext", "--types", "", "--allowImportingTsExtensions"];
run(join(ROOT, "node_modules", ".bin", "tsc"), [...options, "documents.ts"], { cwd: work });
console.log(`all are as ${TYPES} has them`);
