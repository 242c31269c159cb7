/** Messages of several tabs. Tabs are objects here, over a real BroadcastChannel; a browser's are in `test/`. */
import { setImmediate as nextTurn } from "node:timers/promises";
import t, { type Test } from "tap";
import { type MessageResponse, type MessageSurface, type ShownMessage, TabMessages } from "../../src/index.js";

const MESSAGE: ShownMessage = { class: "normal", title: "Well done", body: "", language: "en" };

class Page {
  visibilityState: DocumentVisibilityState;
  readonly #listeners = new Set<() => void>();

  constructor(isVisible: boolean) {
    this.visibilityState = isVisible ? "visible" : "hidden";
  }

  addEventListener(_type: string, listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: string, listener: () => void): void {
    this.#listeners.delete(listener);
  }

  become(visibilityState: DocumentVisibilityState): void {
    this.visibilityState = visibilityState;
    for (const listener of this.#listeners) listener();
  }
}

/** A tab whose messages are answered by the test. */
class Tab implements MessageSurface {
  readonly as = "text";
  readonly page: Page;
  readonly shown: ShownMessage[] = [];
  readonly messages: TabMessages;
  answer: (response: MessageResponse) => void = () => undefined;

  constructor(t: Test, name: string, isVisible: boolean, takingMs = 60_000) {
    this.page = new Page(isVisible);
    this.messages = new TabMessages({ name, surface: this, page: this.page, takingMs });
    t.teardown(() => this.messages.close());
  }

  show(message: ShownMessage): Promise<MessageResponse> {
    this.shown.push(message);
    return new Promise((resolve) => {
      this.answer = resolve;
    });
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await nextTurn();
}

t.test("the tab that can be seen shows what another decides, and what the person did comes back", async (t) => {
  const [decider, seen] = [new Tab(t, t.name, false), new Tab(t, t.name, true)];
  await until(() => decider.messages.isPresent);
  const answered = decider.messages.show(MESSAGE);
  await until(() => seen.shown.length > 0);
  t.same(seen.shown, [MESSAGE]);
  seen.answer("opened");
  t.equal(await answered, "opened");
  t.same(decider.shown, []);
});

t.test("a tab that can be seen shows its own messages, whoever else can be seen", async (t) => {
  const [decider, other] = [new Tab(t, t.name, true), new Tab(t, t.name, true)];
  await until(() => other.messages.isPresent);
  void decider.messages.show(MESSAGE);
  t.same([decider.shown.length, other.shown.length], [1, 0]);
});

t.test("where no tab can be seen a message waits for the first one that can", async (t) => {
  for (const which of [0, 1] as const) {
    const tabs = [new Tab(t, `${t.name}${which}`, false), new Tab(t, `${t.name}${which}`, false)] as const;
    const [decider] = tabs;
    void decider.messages.show(MESSAGE);
    t.equal(decider.messages.isPresent, false);
    let changes = 0;
    decider.messages.onChange(() => {
      changes += 1;
    });
    tabs[which].page.become("visible");
    await until(() => tabs[which].shown.length > 0);
    t.equal(tabs[1 - which]?.shown.length, 0);
    t.ok(changes > 0);
  }
});

t.test("a tab that is hidden or closed is asked no more, and one that died without a word is found out", async (t) => {
  const [decider, seen] = [new Tab(t, t.name, false, 50), new Tab(t, t.name, true)];
  await until(() => decider.messages.isPresent);
  seen.page.become("hidden");
  await until(() => !decider.messages.isPresent);
  const closing = new Tab(t, t.name, true);
  await until(() => decider.messages.isPresent);
  closing.messages.close();
  await until(() => !decider.messages.isPresent);

  const channel = new BroadcastChannel(`fedloop/${t.name}/messages`);
  t.teardown(() => channel.close());
  channel.postMessage({ type: "here", tab: "dead", isVisible: true });
  await until(() => decider.messages.isPresent);
  void decider.messages.show(MESSAGE);
  await until(() => !decider.messages.isPresent);
  seen.page.become("visible");
  await until(() => seen.shown.length > 0);
});

t.test("what is not of this protocol is not listened to", async (t) => {
  const tab = new Tab(t, t.name, true);
  const other = new Tab(t, t.name, false);
  const channel = new BroadcastChannel(`fedloop/${t.name}/messages`);
  t.teardown(() => channel.close());
  for (const said of [
    null,
    7,
    { type: "show", to: 1 },
    { type: "here", tab: "x" },
    { type: "answer", id: "no", response: "opened" },
  ]) {
    channel.postMessage(said);
  }
  await until(() => other.messages.isPresent);
  t.same(tab.shown, []);
});
