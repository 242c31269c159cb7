// From event to message: capture, triggers, content, limits, surface, all on this device.
import { type Clock, type DeviceStore, systemClock } from "@fedloop/client-runtime";
import type { Capture } from "../capture/capture.js";
import type { PurposeGate } from "../capture/gate.js";
import { type Attention, pageAttention } from "../delivery/attention.js";
import type { Delivery } from "../delivery/delivery.js";
import type { MessageClass } from "../delivery/state.js";
import type { MessageSurface, ShownMessage } from "../delivery/surface.js";
import { FeedbackError } from "../errors.js";
import type { EventDefinitions } from "../registry/registry.js";
import { escapeHtml, type VariableValue } from "../templates/engine.js";
import type { Messages } from "../templates/messages.js";
import type { TriggerEngineOptions } from "../triggers/engine.js";
import { TriggerRunner } from "../triggers/runner.js";
import type { ChosenContent, ContentChoice } from "./content.js";

/** What is said when a trigger fires. */
export interface Campaign {
  /** Id of the trigger. */
  readonly trigger: string;
  readonly content: ContentChoice;
  /** "normal" unless given. */
  readonly class?: MessageClass;
  /** What the device knows for the template's variables, when the message is shown. */
  readonly variables?: () => Readonly<Record<string, VariableValue | undefined>>;
}

/** What a loop is made of. */
export interface FeedbackLoopOptions<Events extends EventDefinitions<string>> extends TriggerEngineOptions {
  readonly capture: Capture<Events>;
  readonly gate: PurposeGate;
  readonly store: DeviceStore;
  readonly messages: Messages;
  readonly delivery: Delivery;
  readonly surface: MessageSurface;
  readonly campaigns: readonly Campaign[];
  /** Whether somebody is there: messages wait until then. While the page can be seen unless given; always where there is none. */
  readonly attention?: Attention;
  readonly clock?: Clock;
  /** BCP 47; the bundle's default unless given. */
  readonly language?: string;
  /** Told of failures of the store or of a surface; the loop goes on. */
  readonly onError?: (cause: unknown) => void;
}

type LoopParts = Pick<
  FeedbackLoopOptions<EventDefinitions<string>>,
  "gate" | "messages" | "delivery" | "surface" | "attention" | "language" | "onError"
>;

interface Running extends Campaign {
  readonly purpose: string;
}

/** A running loop. Opened with {@link FeedbackLoop.open}. */
export class FeedbackLoop {
  readonly #options: LoopParts;
  readonly #clock: Clock;
  readonly #campaigns: ReadonlyMap<string, Running>;
  readonly #attention: Attention;
  readonly #ends: (() => void)[] = [];
  readonly #ending = new AbortController();
  #runner: TriggerRunner | undefined;
  #rearmed = new AbortController();

  private constructor(options: LoopParts, clock: Clock, campaigns: ReadonlyMap<string, Running>) {
    this.#options = options;
    this.#clock = clock;
    this.#campaigns = campaigns;
    this.#attention = options.attention ?? pageAttention();
  }

  /**
   * Starts the loop: works through the log, shows what is due, and follows events and clock from then on.
   *
   * @throws FeedbackError BAD_OPTION where a campaign names no trigger, BAD_RULE, STORE_FAILED, LOG_CORRUPT
   */
  static async open<Events extends EventDefinitions<string>>(
    options: FeedbackLoopOptions<Events>,
  ): Promise<FeedbackLoop> {
    const { capture, gate, clock = systemClock(), triggers, campaigns, delivery } = options;
    const purposes = new Map(triggers.map(({ id, purpose }) => [id, purpose]));
    const running = campaigns.map((campaign) => {
      const purpose = purposes.get(campaign.trigger);
      if (purpose !== undefined) return [campaign.trigger, { ...campaign, purpose }] as const;
      throw new FeedbackError("BAD_OPTION", `there is no trigger "${campaign.trigger}" for a campaign`);
    });
    const loop = new FeedbackLoop(options, clock, new Map(running));
    // Before the triggers hear of an event: a message is shown within the session that the event belongs to.
    for (const purpose of new Set(purposes.values())) {
      loop.#ends.push(capture.follow(purpose, () => delivery.activity()));
    }
    const runner = await TriggerRunner.open({ ...options, clock, onFiring: ({ trigger }) => loop.#fired(trigger) });
    loop.#runner = runner;
    const obey = (): void => {
      for (const purpose of purposes.values()) if (gate.state(purpose) === "refused") runner.forget(purpose);
    };
    loop.#ends.push(gate.onChange(obey));
    loop.#ends.push(loop.#attention.onChange(() => loop.#showDue()));
    loop.#showDue();
    return loop;
  }

  async close(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    this.#rearmed.abort();
    for (const end of this.#ends) end();
    await this.#runner?.close();
    await this.#options.delivery.flush();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #fired(trigger: string): void {
    const campaign = this.#campaigns.get(trigger);
    if (campaign === undefined || !this.#isAllowed(campaign)) return;
    const candidate = { id: trigger, class: campaign.class ?? "normal" };
    const { delivery } = this.#options;
    if (!this.#attention.isPresent) {
      delivery.hold(candidate);
      return;
    }
    const chosen = this.#choice(campaign);
    // Who is to see nothing uses up no message of a cap.
    if (chosen === undefined) return;
    const verdict = delivery.offer(candidate);
    if (verdict.type === "show") this.#show([[campaign, chosen]]);
    else if (verdict.type === "wait") this.#showDue();
  }

  /** Shows what waited and is due, and comes back when more is. */
  #showDue(): void {
    this.#rearmed.abort();
    // Whoever comes has it looked at again.
    if (!this.#attention.isPresent) return;
    const { delivery } = this.#options;
    for (let ids = delivery.due(); ids.length > 0; ids = delivery.due()) {
      this.#show(
        ids.flatMap((id) => {
          const campaign = this.#campaigns.get(id);
          const chosen = campaign === undefined || !this.#isAllowed(campaign) ? undefined : this.#choice(campaign);
          return campaign === undefined || chosen === undefined ? [] : [[campaign, chosen] as const];
        }),
      );
    }
    const dueMs = delivery.nextDueMs();
    if (this.#ending.signal.aborted || dueMs === Number.POSITIVE_INFINITY) return;
    this.#rearmed = new AbortController();
    this.#clock.wait(Math.max(dueMs - this.#clock.now(), 1), this.#rearmed.signal).then(
      () => this.#showDue(),
      () => {},
    );
  }

  #isAllowed({ purpose }: Running): boolean {
    return this.#options.gate.state(purpose) === "allowed";
  }

  #choice(campaign: Running): ChosenContent | undefined {
    try {
      return campaign.content.choose();
    } catch (cause) {
      this.#options.onError?.(cause);
      return undefined;
    }
  }

  #show(all: readonly (readonly [Running, ChosenContent])[]): void {
    const { messages, surface, language, onError } = this.#options;
    const as = surface.as;
    try {
      const rendered = all.map(([{ variables }, { template }]) =>
        messages.render(template, variables?.() ?? {}, language === undefined ? { as } : { language, as }),
      );
      const [first] = rendered;
      if (first === undefined) return;
      const isCritical = all.some(([campaign]) => campaign.class === "critical");
      const message: ShownMessage = {
        class: isCritical ? "critical" : "normal",
        title: first.title,
        body: rendered.length === 1 ? first.body : together(rendered, as),
        language: first.language,
      };
      const answered = surface.show(message);
      void this.#conclude(all, answered).catch((cause: unknown) => onError?.(cause));
    } catch (cause) {
      onError?.(cause);
    }
  }

  async #conclude(
    all: readonly (readonly [Running, ChosenContent])[],
    answered: ReturnType<MessageSurface["show"]>,
  ): Promise<void> {
    for (const [, chosen] of all) await chosen.shown?.();
    const response = await answered;
    const { delivery } = this.#options;
    if (response === "opened") delivery.opened();
    if (response === "dismissed") delivery.dismissed();
    if (response === "opted-out") await delivery.optOut();
    for (const [, chosen] of all) await chosen.answered?.(response);
  }
}

/** Several messages as one; the first one's title stands above all. */
function together(
  rendered: readonly { readonly title: string; readonly body: string }[],
  as: MessageSurface["as"],
): string {
  return rendered
    .map(({ title, body }, at) => {
      if (as === "text") return at === 0 ? body : `${title}\n${body}`;
      return at === 0 ? `<p>${body}</p>` : `<p><strong>${escapeHtml(title)}</strong><br>${body}</p>`;
    })
    .join(as === "text" ? "\n\n" : "");
}
