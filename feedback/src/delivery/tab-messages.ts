// Messages in several tabs: one tab decides what is shown, the tab that can be seen shows it.
import * as z from "zod/mini";
import { Listeners } from "../capture/gate.js";
import { type Attention, type PageVisibility, pageAttention } from "./attention.js";
import { MESSAGE_CLASSES } from "./state.js";
import type { MessageResponse, MessageSurface, ShownMessage } from "./surface.js";

const response = z.enum(["opened", "dismissed", "ignored", "opted-out"]);
const message = z.strictObject({
  class: z.enum(MESSAGE_CLASSES),
  title: z.string(),
  body: z.string(),
  language: z.string(),
});
/** What tabs tell one another; `tab` names the one that speaks, `id` a message that one tab shows for another. */
const said = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("here"), tab: z.string(), isVisible: z.boolean() }),
  z.strictObject({ type: z.literal("who"), tab: z.string() }),
  z.strictObject({ type: z.literal("ask"), to: z.string(), id: z.string() }),
  z.strictObject({ type: z.literal("ready"), id: z.string() }),
  z.strictObject({ type: z.literal("show"), to: z.string(), id: z.string(), message }),
  z.strictObject({ type: z.literal("answer"), id: z.string(), response }),
]);

/** What messages in several tabs are made with. */
export interface TabMessagesOptions {
  /** The same in all tabs of an app. */
  readonly name: string;
  /** Shows messages in this tab. */
  readonly surface: MessageSurface;
  readonly page?: PageVisibility;
  /** A tab that is asked and does not answer for so long is gone, milliseconds; 1 000 unless given. */
  readonly takingMs?: number;
}

const TAKING_MS = 1_000;

/**
 * Shows each message in a tab that can be seen, whichever tab decides. Each tab makes one; the tab with the store gives it to its
 * loop, as `surface` and as `attention`. What is said goes from tab to tab and no further.
 */
export class TabMessages implements MessageSurface, Attention {
  readonly as: MessageSurface["as"];
  readonly #surface: MessageSurface;
  readonly #own: Attention;
  readonly #channel: BroadcastChannel;
  readonly #tab = globalThis.crypto.randomUUID();
  /** Other tabs that can be seen. */
  readonly #visible = new Set<string>();
  readonly #listeners = new Listeners();
  /** Messages that another tab was asked to show, and those that wait until one can be seen. */
  readonly #asked = new Map<string, Asked>();
  readonly #held = new Set<() => void>();
  readonly #takingMs: number;
  readonly #endOwn: () => void;
  #shown = 0;
  #isClosed = false;

  constructor({ name, surface, page, takingMs = TAKING_MS }: TabMessagesOptions) {
    this.#takingMs = takingMs;
    this.as = surface.as;
    this.#surface = surface;
    this.#own = pageAttention(page);
    this.#channel = new BroadcastChannel(`fedloop/${name}/messages`);
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      const parsed = z.safeParse(said, data);
      if (parsed.success) this.#hear(parsed.data);
    };
    this.#endOwn = this.#own.onChange(() => {
      this.#tell();
      this.#changed();
    });
    this.#say({ type: "who", tab: this.#tab });
    this.#tell();
  }

  /** Whether this tab or another one can be seen. */
  get isPresent(): boolean {
    return this.#own.isPresent || this.#visible.size > 0;
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Shows a message here, if this tab can be seen, or in another that can; where there is none it waits for one. */
  show(message: ShownMessage): Promise<MessageResponse> {
    return new Promise((resolve, reject) => this.#place(message, { resolve, reject }));
  }

  /** Ends it: this tab shows nothing for others any more. */
  close(): void {
    if (this.#isClosed) return;
    this.#say({ type: "here", tab: this.#tab, isVisible: false });
    this.#endOwn();
    for (const { taking } of this.#asked.values()) clearTimeout(taking);
    this.#isClosed = true;
    this.#channel.close();
  }

  #place(message: ShownMessage, end: Settle): void {
    if (this.#own.isPresent) {
      this.#surface.show(message).then(end.resolve, end.reject);
      return;
    }
    const again = (): void => this.#place(message, end);
    const [tab] = this.#visible;
    if (tab === undefined) {
      this.#held.add(again);
      return;
    }
    this.#shown += 1;
    const id = `${this.#tab}.${this.#shown}`;
    const taking = setTimeout(() => {
      this.#asked.delete(id);
      this.#visible.delete(tab);
      // One that was only slow says so.
      this.#say({ type: "who", tab: this.#tab });
      again();
      this.#listeners.call();
    }, this.#takingMs);
    this.#asked.set(id, { tab, message, taking, end });
    this.#say({ type: "ask", to: tab, id });
  }

  /** The tab that was asked lives and can be seen: the message is its. */
  #give(id: string): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    clearTimeout(asked.taking);
    this.#say({ type: "show", to: asked.tab, id, message: asked.message });
  }

  #hear(heard: z.output<typeof said>): void {
    switch (heard.type) {
      case "who":
        this.#tell();
        break;
      case "here":
        if (heard.isVisible) this.#visible.add(heard.tab);
        else this.#visible.delete(heard.tab);
        this.#changed();
        break;
      case "ask":
        if (heard.to === this.#tab && this.#own.isPresent) this.#say({ type: "ready", id: heard.id });
        break;
      case "ready":
        this.#give(heard.id);
        break;
      case "show":
        if (heard.to === this.#tab) void this.#showFor(heard.id, heard.message);
        break;
      case "answer":
        this.#asked.get(heard.id)?.end.resolve(heard.response);
        this.#asked.delete(heard.id);
    }
  }

  async #showFor(id: string, message: ShownMessage): Promise<void> {
    const response = await this.#surface.show(message).catch(() => "ignored" as const);
    this.#say({ type: "answer", id, response });
  }

  /** A tab can be seen, or can no longer. */
  #changed(): void {
    if (this.isPresent) {
      const held = [...this.#held];
      this.#held.clear();
      for (const again of held) again();
    }
    this.#listeners.call();
  }

  #tell(): void {
    this.#say({ type: "here", tab: this.#tab, isVisible: this.#own.isPresent });
  }

  #say(what: z.output<typeof said>): void {
    if (!this.#isClosed) this.#channel.postMessage(what);
  }
}

interface Asked {
  readonly tab: string;
  readonly message: ShownMessage;
  readonly taking: ReturnType<typeof setTimeout>;
  readonly end: Settle;
}

interface Settle {
  resolve(response: MessageResponse): void;
  reject(cause: unknown): void;
}
