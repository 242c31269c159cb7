// What is in deploy/: the unit as systemd reads it, the chart as its templates come out, the board in metrics.slow.test.ts.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { parse, parseAllDocuments } from "yaml";
import { parseConfig } from "../../src/config/config.js";

const DEPLOY = fileURLToPath(new URL("../../../../deploy", import.meta.url));
const CHART = join(DEPLOY, "helm", "fedloop");

type Values = Readonly<Record<string, unknown>>;

/** The value at a path like `.Values.image.tag`. */
function valueAt(scope: Values, path: string): unknown {
  return path
    .slice(1)
    .split(".")
    .reduce<unknown>((at, key) => {
      if (typeof at !== "object" || at === null || !Object.hasOwn(at, key))
        throw new Error(`the chart has no value ${path}`);
      return Reflect.get(at, key);
    }, scope);
}

/** What one `{{ … }}` comes to: the few forms that this chart uses, and no others. */
function evaluate(expression: string, scope: Values, local: Values): string {
  const [first = "", ...filters] = expression.split("|").map((part) => part.trim());
  const words = first.match(/"[^"]*"|\S+/g) ?? [];
  const read = (word: string): unknown => {
    if (word.startsWith('"')) return word.slice(1, -1);
    if (word.startsWith("$")) return local[word];
    if (word.startsWith(".")) return valueAt(scope, word);
    if (/^\d+$/.test(word)) return Number(word);
    throw new Error(`the test does not know ${word}`);
  };
  let value: unknown;
  if (words[0] === "add") value = words.slice(1).reduce((sum, word) => sum + Number(read(word)), 0);
  else if (words[0] === "printf") {
    const parts = words.slice(2).map(read);
    value = String(read(words[1] ?? "")).replaceAll("%s", () => String(parts.shift()));
  } else value = read(words[0] ?? "");
  for (const filter of filters) {
    if (filter !== "quote" && filter !== "toJson") throw new Error(`the test does not know ${filter}`);
    value = filter === "quote" ? JSON.stringify(String(value)) : JSON.stringify(value);
  }
  return String(value);
}

/** Renders a template, with blocks of `if` and `range` that are not nested. */
function render(template: string, scope: Values): string {
  const blocks = template
    .replace(
      /\n[ \t]*\{\{- range (\$\w+), (\$\w+) := (\S+) \}\}([\s\S]*?)\n[ \t]*\{\{- end \}\}/g,
      (_, key, value, path, body) =>
        Object.entries(valueAt(scope, path) as Values)
          .map(([name, it]) => fill(body, scope, { [key]: name, [value]: it }))
          .join(""),
    )
    .replace(/\n[ \t]*\{\{- if (\S+) \}\}([\s\S]*?)\n[ \t]*\{\{- end \}\}/g, (_, path, body) =>
      valueAt(scope, path) ? body : "",
    );
  return fill(blocks, scope, {});
}

function fill(text: string, scope: Values, local: Values): string {
  return text.replace(/\{\{ (.*?) \}\}/g, (_, expression) => evaluate(expression, scope, local));
}

// biome-ignore lint/suspicious/noExplicitAny: documents of Kubernetes, for the test to look at
function rendered(changes: (values: any) => void = () => undefined): any[] {
  const values = parse(readFileSync(join(CHART, "values.yaml"), "utf8"));
  values.files["plan.yaml"] = "population: lecturers\n";
  changes(values);
  return readdirSync(join(CHART, "templates")).flatMap((name) => {
    const text = render(readFileSync(join(CHART, "templates", name), "utf8"), {
      Values: values,
      Release: { Name: "here" },
    });
    t.notMatch(text, /\{\{|\.Values|\.Release/, `${name} is rendered whole`);
    return parseAllDocuments(text).map((document) => {
      t.strictSame(document.errors, [], name);
      return document.toJS();
    });
  });
}

t.test("the chart renders: probes, secrets, volumes, and a grace period longer than the drain", (t) => {
  const documents = rendered((values) => {
    values.secrets.secretName = "hooks";
    values.config.more = {
      webhooks: [{ name: "ops", url: "https://hooks.example.org/", secretFile: "/etc/fedloop-secrets/ops" }],
    };
  });
  const find = (kind: string) => documents.find((document) => document.kind === kind);
  const config = find("ConfigMap").data;
  t.equal(config["plan.yaml"], "population: lecturers\n");
  const read = parseConfig("fedloop.yaml", config["fedloop.yaml"], "/etc/fedloop", {});
  t.match(read, {
    dataDir: "/var/lib/fedloop/data",
    drainDeadlineMs: 60_000,
    tls: { cert: "/etc/fedloop-tls/tls.crt" },
    webhooks: [{ secretFile: "/etc/fedloop-secrets/ops" }],
  });
  const { template } = find("StatefulSet").spec;
  const [container] = template.spec.containers;
  t.ok(template.spec.terminationGracePeriodSeconds * 1_000 > read.drainDeadlineMs);
  t.equal(container.readinessProbe.httpGet.path, "/readyz");
  t.equal(container.livenessProbe.httpGet.path, "/healthz");
  const ports = new Map(
    container.ports.map((port: { name: string; containerPort: number }) => [port.name, port.containerPort]),
  );
  t.strictSame([ports.get("grpc"), ports.get("https")], [read.listen.port, read.http?.port]);
  t.match(find("Service"), {
    metadata: { name: "here" },
    spec: { type: "ClusterIP", ports: [{ port: 7443 }, { port: 7480 }] },
  });
  for (const { targetPort } of find("Service").spec.ports) t.ok(ports.has(targetPort), targetPort);
  t.equal(template.spec.securityContext.runAsNonRoot, true);
  t.equal(container.securityContext.readOnlyRootFilesystem, true);
  const volumes = new Set([
    ...template.spec.volumes.map((volume: { name: string }) => volume.name),
    ...find("StatefulSet").spec.volumeClaimTemplates.map(
      (claim: { metadata: { name: string } }) => claim.metadata.name,
    ),
  ]);
  for (const { name } of container.volumeMounts) t.ok(volumes.has(name), `the volume ${name} is there`);
  t.ok(volumes.has("secrets"));
  t.end();
});

t.test("as it stands the chart mounts no secrets that are not named, and every value is used", (t) => {
  const documents = rendered();
  t.notMatch(JSON.stringify(documents), /fedloop-secrets/);
  const templates = readdirSync(join(CHART, "templates")).map((name) =>
    readFileSync(join(CHART, "templates", name), "utf8"),
  );
  const used = new Set(templates.flatMap((text) => [...text.matchAll(/\.Values\.(\w+)/g)].map(([, key]) => key)));
  t.strictSame([...used].sort(), Object.keys(parse(readFileSync(join(CHART, "values.yaml"), "utf8"))).sort());
  t.end();
});

/** Sections and settings of a unit file. */
function unitFile(text: string): Map<string, string[]> {
  const settings = new Map<string, string[]>();
  let section = "";
  for (const line of text.split("\n").filter((it) => it !== "" && !it.startsWith("#"))) {
    const [, header] = /^\[(\w+)\]$/.exec(line) ?? [];
    if (header !== undefined) section = header;
    else {
      const [, key = "", value = ""] = /^(\w+)=(.*)$/.exec(line) ?? [];
      const name = `${section}.${key}`;
      settings.set(name, [...(settings.get(name) ?? []), value]);
    }
  }
  return settings;
}

t.test("the systemd unit runs commands that there are, without rights that it does not need", (t) => {
  const path = join(DEPLOY, "systemd", "fedloop.service");
  const unit = unitFile(readFileSync(path, "utf8"));
  const is = (name: string, value: string): boolean => t.strictSame(unit.get(name), [value], name);
  is("Service.NoNewPrivileges", "yes");
  is("Service.ProtectSystem", "strict");
  is("Service.CapabilityBoundingSet", "");
  is("Service.User", "fedloop");
  t.strictSame(unit.get("Service.SystemCallFilter"), ["@system-service @pkey", "~@privileged @resources"]);
  is("Service.SystemCallErrorNumber", "EPERM");
  is("Service.ExecStart", "/usr/bin/fedloop serve --config /etc/fedloop/fedloop.yaml");
  t.notOk(
    [...unit.keys()].some((name) => name.endsWith(".")),
    "every line is a setting",
  );
  const analyze = "/usr/bin/systemd-analyze";
  if (existsSync(analyze)) {
    // It looks for the program too, which is not installed here.
    const run = (): string => {
      try {
        return execFileSync(analyze, ["verify", "--man=no", path], { encoding: "utf8", stdio: "pipe" });
      } catch (cause) {
        return cause instanceof Error && "stderr" in cause ? String(cause.stderr) : String(cause);
      }
    };
    const said = run()
      .split("\n")
      .filter((line) => line.includes("fedloop.service") && !line.includes("is not executable"));
    t.strictSame(said, []);
    // In tenths: fails above an exposure of 1.2, of at most 10.
    t.doesNotThrow(() =>
      execFileSync(analyze, ["security", "--offline=true", "--no-pager", "--threshold=12", path], { stdio: "pipe" }),
    );
  }
  t.end();
});

/** The workspaces that one stands on, itself included. */
function workspacesOf(root: string, folder: string, found: Set<string> = new Set()): ReadonlySet<string> {
  if (found.has(folder)) return found;
  found.add(folder);
  const { dependencies = {} } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
  for (const name of Object.keys(dependencies)) {
    if (name.startsWith("@fedloop/")) workspacesOf(root, name.slice("@fedloop/".length), found);
  }
  return found;
}

t.test("the container image has what the coordinator needs, and runs as nobody of importance", (t) => {
  const text = readFileSync(join(DEPLOY, "container", "Containerfile"), "utf8");
  const lines = text.split("\n");
  const root = join(DEPLOY, "..");
  t.strictSame(
    lines.flatMap((line) => /^FROM \$\{(\w+)\}/.exec(line)?.[1] ?? []),
    ["BUILD_IMAGE", "RUN_IMAGE"],
    "either base image can be another",
  );
  const [, kept = "[]"] = /'workspaces=(\[.*\])'/.exec(text) ?? [];
  t.strictSame(new Set(JSON.parse(kept)), workspacesOf(root, "coordinator"), "the workspaces that are kept");
  for (const folder of JSON.parse(readFileSync(join(root, "package.json"), "utf8")).workspaces) {
    if (workspacesOf(root, "coordinator").has(folder)) continue;
    t.match(text, new RegExp(`rm -rf .*\\b${folder.split("/")[0]}\\b`), `${folder} is left out`);
  }
  t.ok(existsSync(join(root, "coordinator", "bin", "fedloop.js")));
  const users = lines.filter((line) => line.startsWith("USER "));
  t.strictSame(users, ["USER 10001:10001"]);
  t.ok(lines.indexOf(users[0] ?? "") < lines.findIndex((line) => line.startsWith("ENTRYPOINT")));
  t.end();
});
