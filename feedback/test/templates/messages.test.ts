import { memoryStore } from "@fedloop/client-runtime";
import { canonicalBytes, encodeBase64Url, generateWebCryptoSigner, webCryptoVerifier } from "@fedloop/consent";
import t from "tap";
import { MAX_BUNDLE_BYTES, openNewest, signBundle } from "../../src/index.js";
import {
  checkedBundle,
  LIQUID_FILTERS,
  LIQUID_TAGS,
  liquidTemplates,
  Messages,
  placeholderTemplates,
  type Template,
  type TemplateEngine,
} from "../../src/templates/index.js";

const signer = await generateWebCryptoSigner();
const trust = { keys: [signer.publicKey], verifier: webCryptoVerifier() };

const WELCOME: Template = {
  variables: {
    name: { type: "text", maxLength: 40 },
    count: { type: "number" },
    weak: { type: "boolean" },
  },
  texts: {
    en: {
      title: "Well done, {{ name }}",
      body: "<b>{{ name }}</b>: {{ count }} {% if count == 1 %}answer{% else %}answers{% endif %}",
    },
    de: { title: "Gut gemacht, {{ name }}", body: "{{ count }} Antworten" },
  },
  fallback: { en: { title: "Well done", body: "Go on <i>like this</i>." }, de: { title: "Gut", body: "Weiter so." } },
};

async function opened(template: unknown, engine: TemplateEngine = liquidTemplates()): Promise<Messages> {
  const bundle = checkedBundle({ defaultLanguage: "en", templates: { welcome: template } } as Parameters<
    typeof checkedBundle
  >[0]);
  return Messages.open(await signBundle("templates", 1, JSON.parse(JSON.stringify(bundle)), signer), trust, engine);
}

/** A body in the template's only language. */
async function body(source: string, variables = {}, engine: TemplateEngine = liquidTemplates()): Promise<string> {
  const messages = await opened(
    {
      variables: { name: { type: "text", maxLength: 1_000 }, count: { type: "number" } },
      texts: { en: { title: "", body: source } },
      fallback: { en: { title: "", body: "fallback" } },
    },
    engine,
  );
  return messages.render("welcome", variables).body;
}

t.test("a message is rendered in the person's language, escaped where it is HTML", async (t) => {
  const messages = await opened(WELCOME);
  const variables = { name: `<img src=x onerror="alert('1')">`, count: 1, weak: true };
  t.same(messages.render("welcome", variables), {
    template: "welcome",
    title: `Well done, <img src=x onerror="alert('1')">`,
    body: "<b>&lt;img src=x onerror=&#34;alert(&#39;1&#39;)&#34;&gt;</b>: 1 answer",
    language: "en",
    fallback: undefined,
  });
  t.match(messages.render("welcome", variables, { as: "text" }).body, `<b><img src=x onerror="alert('1')"></b>`);
  t.match(messages.render("welcome", variables, { language: "de-CH" }), { language: "de", body: "1 Antworten" });
  t.match(messages.render("welcome", variables, { language: "fr" }), { language: "en" });
});

t.test("a missing variable, or one that is not what was declared, gives the fallback text", async (t) => {
  const messages = await opened(WELCOME);
  const good = { name: "Ada", count: 2, weak: false };
  const table: readonly [string, object][] = [
    ["missing", { count: 2 }],
    ["undefined", { ...good, name: undefined }],
    ["empty", { ...good, name: "" }],
    ["too long", { ...good, name: "x".repeat(41) }],
    ["another type", { ...good, count: "2" }],
    ["not a number", { ...good, count: Number.NaN }],
    ["inherited only", Object.create(good)],
  ];
  for (const [name, variables] of table) {
    t.match(
      messages.render("welcome", { ...variables }, { language: "de" }),
      { title: "Gut", body: "Weiter so.", language: "de", fallback: "missing-variable" },
      name,
    );
  }
  t.match(messages.render("welcome", good), { title: "Well done, Ada", fallback: undefined });
  t.throws(() => messages.render("none", good), { code: "UNKNOWN_TEMPLATE" });
});

t.test("a bundle without a signature, under another key, changed, of another kind or older is refused", async (t) => {
  const engine = liquidTemplates();
  const contents = { defaultLanguage: "en", templates: { welcome: JSON.parse(JSON.stringify(WELCOME)) } };
  const signed = await signBundle("templates", 3, contents, signer);
  const open = (bytes: Uint8Array, more = {}): Promise<Messages> => Messages.open(bytes, { ...trust, ...more }, engine);
  t.equal((await open(signed)).version, 3);
  t.equal((await open(signed)).digest, (await open(signed, { newestVersion: 3 })).digest);
  await t.rejects(open(signed, { newestVersion: 4 }), { code: "BUNDLE_ROLLED_BACK" });
  await t.rejects(open(signed, { keys: [] }), { code: "BUNDLE_NOT_TRUSTED" });
  const other = await generateWebCryptoSigner();
  await t.rejects(open(await signBundle("templates", 3, contents, other)), { code: "BUNDLE_NOT_TRUSTED" });
  await t.rejects(open(await signBundle("rules", 3, contents, signer)), { code: "BAD_BUNDLE" });
  const envelope = JSON.parse(new TextDecoder().decode(signed));
  const { signature, ...unsigned } = envelope;
  await t.rejects(open(canonicalBytes(unsigned)), { code: "BUNDLE_UNSIGNED" });
  const { key, ...keyless } = envelope;
  await t.rejects(open(canonicalBytes(keyless)), { code: "BUNDLE_UNSIGNED" });
  const payload = encodeBase64Url(canonicalBytes({ version: 9, contents }));
  await t.rejects(open(canonicalBytes({ ...envelope, payload })), { code: "BUNDLE_NOT_TRUSTED" });
  await t.rejects(open(canonicalBytes({ ...envelope, kind: "rules" })), { code: "BAD_BUNDLE" });
  await t.rejects(open(canonicalBytes({ ...envelope, signature: "!" })), { code: "BAD_BUNDLE" });
  await t.rejects(open(new TextEncoder().encode("{")), { code: "BAD_BUNDLE" });
  await t.rejects(open(new Uint8Array(MAX_BUNDLE_BYTES + 1)), { code: "BAD_BUNDLE" });
});

t.test("a device that has used a bundle takes no older one of its kind, also after a restart", async (t) => {
  const engine = liquidTemplates();
  const contents = { defaultLanguage: "en", templates: { welcome: JSON.parse(JSON.stringify(WELCOME)) } };
  const store = memoryStore();
  const open = async (version: number): Promise<number> => {
    const bytes = await signBundle("templates", version, contents, signer);
    return (await openNewest("templates", store, trust, (known) => Messages.open(bytes, known, engine))).version;
  };
  t.same([await open(2), await open(2), await open(4)], [2, 2, 4]);
  await t.rejects(open(3), { code: "BUNDLE_ROLLED_BACK" });
  t.equal(await open(4), 4, "the one in use goes on");
  const rules = openNewest("rules", store, trust, async ({ newestVersion }) => ({ version: 1, newestVersion }));
  t.match(await rules, { newestVersion: 0 }, "each kind has versions of its own");
  await store.put("bundles/templates", new TextEncoder().encode("four"));
  await t.rejects(open(5), { code: "LOG_CORRUPT" });
});

t.test(
  "hostile templates are refused when the bundle is opened, or give the fallback, within the limits",
  async (t) => {
    const refused: readonly [string, string][] = [
      ["another template", "{% render 'x' %}"],
      ["a file", "{% include '/etc/passwd' %}"],
      ["a layout", "{% layout 'x' %}"],
      ["raw", "{% raw %}<script>{% endraw %}"],
      ["a table", "{% tablerow i in (1..3) %}{% endtablerow %}"],
      ["a counter", "{% increment n %}"],
      ["capture", "{% capture x %}<b>{% endcapture %}{{ x }}"],
      ["inline liquid", "{% liquid assign x = 1 %}"],
      ["undone escaping", "{{ name | raw }}"],
      ["the clock", "{{ 'now' | date: '%s' }}"],
      ["JSON", "{{ name | json }}"],
      ["line breaks into HTML", "{{ name | newline_to_br }}"],
      ["a filter of no one", "{{ name | fetch }}"],
      ["an undeclared variable", "{{ secret }}"],
      ["an undeclared variable in a test", "{% if secret %}x{% endif %}"],
      ["an open tag", "{% if name %}"],
      ["too long", "x".repeat(8_193)],
    ];
    for (const [name, source] of refused) await t.rejects(body(source), { code: "BAD_TEMPLATE" }, name);
    const fallbacks: readonly [string, string, object][] = [
      ["a loop without end", "{% for i in (1..100000000) %}{% endfor %}", {}],
      ["a loop in loops", `${"{% for i in (1..900) %}".repeat(4)}x${"{% endfor %}".repeat(4)}`, {}],
      ["a long text", "{% for i in (1..900) %}0123456789{% endfor %}", {}],
      [
        "a text that doubles",
        "{% assign x = name %}{% for i in (1..60) %}{% assign x = x | append: x %}{% endfor %}",
        { name: "xx" },
      ],
      ["a method of a text", "{{ name.constructor.name }}", { name: "x" }],
      ["the prototype", "{{ name.__proto__ }}", { name: "x" }],
      ["a deep path", "{{ count.a.b.c }}", { count: 1 }],
    ];
    const started = process.cpuUsage();
    for (const [name, source, variables] of fallbacks) t.equal(await body(source, variables), "fallback", name);
    t.ok(process.cpuUsage(started).user < 20e6, "none of them ran away");
  },
);

t.test("what a variable holds stays what it is", async (t) => {
  const table: readonly [string, string][] = [
    ["{{ name }}", "{{ 7 | times: 7 }}"],
    ["{{ name | upcase }}", "<script>"],
    ["{{ name | append: name }}", `"><svg onload=x>`],
    ["{{ name | slice: 0, 3 }}", "<b>"],
    ["{{ name | split: 'x' | join: '' }}", "<x>"],
    ["{{ name | replace: 'a', '<' }}", "banana"],
    ["{{ name | default: '<i>' }}", "&amp;"],
    ["{% assign y = name %}{{ y }}", "<u>"],
    ["{% for c in name %}{{ c }}{% endfor %}", "<p>"],
    ["{{ name | truncate: 4, '<' }}", "<<<<<<<"],
  ];
  for (const [source, name] of table) {
    const text = await body(source, { name });
    t.notMatch(text, /[<>"]/, `${source} of ${name}: ${text}`);
    t.not(text, "fallback");
  }
  t.equal(await body("{{ name }}", { name: "{{ 7 | times: 7 }}" }), "{{ 7 | times: 7 }}", "no second rendering");
});

t.test("the allow-lists name what liquidjs has, and nothing that makes HTML", async (t) => {
  const messages = await body(
    `{% assign n = 3 %}{% for i in (1..5) %}{% if i == n %}{% break %}{% endif %}{{ i }}{% endfor %}`,
  );
  t.equal(messages, "12");
  for (const filter of LIQUID_FILTERS)
    t.not(await body(`{{ name | ${filter}: 1, 1 }}`, { name: "5" }).catch(() => 0), 0, filter);
  t.ok(LIQUID_TAGS.length > 5);
});

t.test("another engine takes Liquid's place: placeholders, or an app's own", async (t) => {
  const plain = placeholderTemplates();
  t.equal(await body("Hello {{ name }}, {{count}}", { name: "<Ada>", count: 2 }, plain), "Hello &lt;Ada&gt;, 2");
  await t.rejects(body("{% if name %}x{% endif %}", {}, plain), { code: "BAD_TEMPLATE" });
  await t.rejects(body("{{ name | upcase }}", {}, plain), { code: "BAD_TEMPLATE" });
  await t.rejects(body("{{ secret }}", {}, plain), { code: "BAD_TEMPLATE" });
  t.equal(await body("{{ name }}", {}, plain), "fallback");
  const shouting: TemplateEngine = {
    compile: (source) => ({ variables: [], render: () => source.toUpperCase() }),
  };
  t.equal(await body("hello", {}, shouting), "HELLO");
});

t.test("bundles that are not as documented are refused with the place", async (t) => {
  const table: readonly [string, unknown, RegExp][] = [
    ["no texts", { ...WELCOME, texts: {} }, /welcome › texts/],
    ["no text in the default language", { ...WELCOME, texts: { de: WELCOME.texts.de } }, /no text/],
    ["no fallback", { variables: {}, texts: WELCOME.texts }, /fallback/],
    ["a language that is none", { ...WELCOME, texts: { "e n": { title: "", body: "" } } }, /texts/],
    ["a variable without a bound", { ...WELCOME, variables: { name: { type: "text" } } }, /variables › name/],
    ["an unknown key", { ...WELCOME, track: true }, /welcome/],
  ];
  for (const [name, template, message] of table)
    await t.rejects(opened(template), { code: "BAD_TEMPLATE", message }, name);
  const variable = { ...WELCOME, fallback: { en: { title: "{{ name }}", body: "" } } };
  await t.rejects(opened(variable), { code: "BAD_TEMPLATE", message: /not declared/ }, "a variable in the fallback");
});
