// One person's loop: two consents, capture, a model trained in federation, messages, a test, a report.
import {
  type Clock,
  type DeviceStore,
  logisticRegressionTrainer,
  type Notice,
  Participant,
  systemClock,
  type Trainer,
  type TrainingTask,
  type WriteAhead,
} from "@fedloop/client-runtime";
import { analyticsTrainer } from "@fedloop/client-runtime/analytics";
import { connectTransport } from "@fedloop/client-runtime/connect";
import { decodeBase64Url, type Signer, webCryptoVerifier } from "@fedloop/consent";
import {
  type Attention,
  Capture,
  type CapturedEvent,
  type ConsentSource,
  caps,
  coolDown,
  Delivery,
  Experiments,
  experimentContent,
  experimentSecret,
  FeedbackLoop,
  featureVector,
  forgetJoined,
  gatedTrainer,
  joinedMs,
  learnedCadence,
  type MessageSurface,
  numbersFrom,
  OutcomeLog,
  openNewest,
  ParticipantConsent,
  purposeGate,
  quietHours,
  reportRows,
  retentionRows,
  temporalSplit,
} from "@fedloop/feedback";
import { liquidTemplates, Messages } from "@fedloop/feedback/templates";
import { logisticPropensity, openRules, type PropensityModel } from "@fedloop/feedback/triggers";
import { systemRandom } from "@fedloop/privacy";
import { browserDeviceCrypto } from "@fedloop/privacy/secagg";
import { EXPERIMENTS } from "./campaign.js";
import { Hints } from "./hints.js";
import { FEATURES, MASTERY, QUALITY, registry, WEIGHTS, wasRight } from "./registry.js";
import { usualGate, usualRow } from "./usual.js";

/** What the app's own files say. */
export interface CourseConfig {
  readonly coordinator: string;
  /** With a crowd in one page: an address of the coordinator for each, since a browser opens six connections to one. */
  readonly gateways?: readonly string[];
  /** Of who signs rules and templates: base64url of 32 bytes. */
  readonly publisherKey: string;
  readonly quietHours: { readonly from: string; readonly to: string };
}

/** A person, and the device that the person has. */
export interface LearnerOptions {
  readonly config: CourseConfig;
  readonly decide: (notice: Notice, purpose: string) => Promise<boolean> | boolean;
  /** A store for each name, and a key for each. */
  readonly store: (name: string) => DeviceStore;
  /** Where answers wait that a page which is left has not yet written. */
  readonly ahead?: WriteAhead;
  readonly signer: (name: string) => Promise<Signer>;
  readonly surface: MessageSurface;
  /** Whether anybody can see a message now; this page's visibility unless given. */
  readonly attention?: Attention;
  readonly language: string;
  /** What captured events are dated by; the device's own unless given. */
  readonly clock?: Clock;
}

/** What each purpose is about, as its plan says it too. */
const DATA_CATEGORIES: Readonly<Record<string, string[]>> = {
  [MASTERY]: ["answers to practice questions"],
  [QUALITY]: ["answers to practice questions", "days of practice", "hints opened", "responses to messages"],
};

async function bytesOf(path: string): Promise<Uint8Array> {
  return new Uint8Array(await (await fetch(path)).arrayBuffer());
}

/** Features before each answer, whether it was right, and when it was given. */
function examples(events: readonly CapturedEvent[]): { features: number[]; labels: number[]; timesMs: number[] } {
  const [features, labels, timesMs]: [number[], number[], number[]] = [[], [], []];
  for (const [at, event] of events.entries()) {
    const right = wasRight(event);
    if (right === undefined || at === 0) continue;
    const moment = { nowMs: event.atMs, utcOffsetMinutes: 0, seed: 0 };
    features.push(...featureVector(FEATURES, events.slice(0, at), moment).values);
    labels.push(right ? 1 : 0);
    timesMs.push(event.atMs);
  }
  return { features, labels, timesMs };
}

/** Trains on what is in the log when a round begins, all but the latest fifth: after a withdrawal that is nothing. */
function masteryTrainer(read: () => Promise<CapturedEvent[]>): Trainer {
  const now = async (): Promise<Trainer> => {
    const { features, labels, timesMs } = examples(await read());
    const held = temporalSplit(timesMs, { latestShare: 0.2 });
    return logisticRegressionTrainer({ features: Float32Array.from(features), labels: Uint8Array.from(labels), held });
  };
  return {
    id: "logistic-regression",
    train: async (task: TrainingTask) => (await now()).train(task),
    evaluate: async (task: TrainingTask) => (await now()).evaluate(task),
  };
}

/** A learner with a running loop. */
export class Learner {
  readonly capture: Capture<(typeof registry)["definitions"]>;
  readonly delivery: Delivery;
  readonly mastery: Participant;
  readonly quality: Participant;
  /** Both decisions, as other tabs are to know them. */
  readonly consent: ConsentSource;
  readonly #consents: Readonly<Record<string, ParticipantConsent>>;
  readonly #model: { current: PropensityModel };
  readonly #hints: Hints;
  readonly #loop: FeedbackLoop;
  /** Deletes what was kept for reports beside the log. */
  readonly #forgetReports: () => Promise<void>;

  private constructor(parts: {
    capture: Learner["capture"];
    delivery: Delivery;
    mastery: Participant;
    quality: Participant;
    consent: ConsentSource;
    consents: Readonly<Record<string, ParticipantConsent>>;
    model: { current: PropensityModel };
    hints: Hints;
    loop: FeedbackLoop;
    forgetReports: () => Promise<void>;
  }) {
    this.capture = parts.capture;
    this.delivery = parts.delivery;
    this.mastery = parts.mastery;
    this.quality = parts.quality;
    this.consent = parts.consent;
    this.#consents = parts.consents;
    this.#model = parts.model;
    this.#hints = parts.hints;
    this.#loop = parts.loop;
    this.#forgetReports = parts.forgetReports;
  }

  /** Asks for both consents and starts the loop. */
  static async open(options: LearnerOptions): Promise<Learner> {
    const { config, decide, store, ahead, signer, surface, attention, language, clock = systemClock() } = options;
    const verifier = webCryptoVerifier();
    const trust = { keys: [decodeBase64Url(config.publisherKey)], verifier };
    // The trainers read a log that can only be opened once its consents are known.
    let opened: Learner["capture"] | undefined;
    const read = async (): Promise<CapturedEvent[]> => {
      const events: CapturedEvent[] = [];
      if (opened !== undefined) for await (const event of opened.read(MASTERY)) events.push(event);
      return events;
    };
    const events = store("events");
    const experiments = new Experiments(EXPERIMENTS, await experimentSecret(events, systemRandom()));
    const outcomes = new OutcomeLog(experiments, events);
    const join = async (purpose: string, population: string, trainer: Trainer): Promise<Participant> =>
      Participant.join({
        population,
        transport: connectTransport({ baseUrl: config.coordinator }),
        store: store(population),
        signer: await signer(population),
        verifier,
        trainer,
        secureAggregation: browserDeviceCrypto({ random: systemRandom(), verifier }),
        consent: {
          purposes: [purpose],
          decide,
          dataCategories: DATA_CATEGORIES[purpose] ?? [],
          storage: "in this browser",
          retention: "90 days, or until withdrawn",
          jurisdiction: "CH",
          withdrawal: "one press in the page",
          interface: "a dialog in the page",
          signals: { gpc: Reflect.get(navigator, "globalPrivacyControl") === true },
        },
      });
    const mastery = await join(
      MASTERY,
      "learners-mastery",
      gatedTrainer(masteryTrainer(read), usualGate(), async () => usualRow(await read())),
    );
    const tables = {
      messages: () => outcomes.rows("encouragement"),
      answers: async () => (opened === undefined ? [] : reportRows(opened, QUALITY, clock.now())),
      activity: async () => {
        const moments = { joinedMs: await joinedMs(events, QUALITY, clock.now()), nowMs: clock.now() };
        return opened === undefined ? [] : retentionRows(opened, QUALITY, { gate, ...moments });
      },
    };
    const quality = await join(QUALITY, "learners-quality", analyticsTrainer({ tables }));
    const consents: Readonly<Record<string, ParticipantConsent>> = {
      [MASTERY]: new ParticipantConsent(mastery),
      [QUALITY]: new ParticipantConsent(quality),
    };
    const both: ConsentSource = {
      decision: (purpose) => consents[purpose]?.decision(purpose) ?? "not-asked",
      onChange(listener) {
        const ends = Object.values(consents).map((each) => each.onChange(listener));
        return () => {
          for (const end of ends) end();
        };
      },
    };
    const gate = purposeGate(both);
    if (gate.state(QUALITY) === "allowed") await joinedMs(events, QUALITY, clock.now());
    const capture = await Capture.open({
      registry,
      store: events,
      gate,
      clock,
      ...(ahead === undefined ? {} : { ahead }),
    });
    opened = capture;
    const hints = await Hints.open({
      store: events,
      random: numbersFrom(systemRandom()),
      isAllowed: () => gate.state(MASTERY) === "allowed",
    });
    capture.follow(MASTERY, (event) => {
      const right = wasRight(event);
      // What could not be kept is not learned from after the next start: no harm.
      if (right !== undefined) void hints.answered(right).catch(() => {});
    });
    const delivery = await Delivery.open({
      store: events,
      clock,
      limits: [
        caps({ perSession: 1, perDay: 3, perWeek: 8 }),
        coolDown(10),
        quietHours(config.quietHours.from, config.quietHours.to),
        learnedCadence({ minutes: 10 }),
      ],
    });
    // Says nothing until a model was released.
    const model = { current: logisticPropensity("mastery", {}, Number.NEGATIVE_INFINITY) };
    const [rules, templates] = [await bytesOf("rules.bundle"), await bytesOf("templates.bundle")];
    const { triggers } = await openNewest("rules", events, trust, (known) => openRules(rules, known));
    const content = experimentContent({
      experiments,
      outcomes,
      experiment: "encouragement",
      templates: { plain: "plain", warm: "warm" },
      shown: "shown",
      opened: "opened",
    });
    const loop = await FeedbackLoop.open({
      capture,
      gate,
      store: events,
      clock,
      triggers,
      features: FEATURES,
      models: [{ id: "mastery", score: (features) => model.current.score(features) }],
      messages: await openNewest("templates", events, trust, (known) =>
        Messages.open(templates, known, liquidTemplates()),
      ),
      delivery,
      surface,
      ...(attention === undefined ? {} : { attention }),
      language,
      campaigns: [{ trigger: "encourage", content, variables: () => ({ answers: capture.count(MASTERY).events }) }],
    });
    const forgetReports = async (): Promise<void> => {
      await outcomes.erase();
      await forgetJoined(events, QUALITY);
    };
    const learner = new Learner({
      capture,
      delivery,
      mastery,
      quality,
      consent: both,
      consents,
      model,
      hints,
      loop,
      forgetReports,
    });
    await learner.useModel();
    return learner;
  }

  /** Takes the newest released model, proven by the log, as what scores are from. */
  async useModel(): Promise<boolean> {
    const released = await this.mastery.model();
    if (released === undefined) return false;
    const weights = Object.fromEntries(WEIGHTS.map((name, at) => [name, released.parameters[at] ?? 0]));
    this.#model.current = logisticPropensity("mastery", weights, released.parameters[WEIGHTS.length] ?? 0);
    return true;
  }

  /** An explanation for somebody who asks for one. */
  async hint(): Promise<string> {
    const events: CapturedEvent[] = [];
    for await (const event of this.capture.read(MASTERY)) events.push(event);
    const [, shareRight = 0] = usualRow(events);
    return this.#hints.explain(shareRight);
  }

  /** Takes part in the rounds that train the mastery model. @throws what the device refused a round for */
  async train(): Promise<void> {
    for await (const event of this.mastery.run()) {
      if (event.type === "refused") throw new Error(event.message);
      if (event.type === "released") await this.useModel();
    }
  }

  /**
   * Takes part in the rounds that answer the product team's questions.
   *
   * @param onAnswered called after each of them
   * @throws what the device refused a round for
   */
  async report(onAnswered?: () => void): Promise<void> {
    for await (const event of this.quality.run()) {
      if (event.type === "refused") throw new Error(event.message);
      if (event.type === "accepted") onAnswered?.();
    }
  }

  /** Holds on this device when the call returns: what was captured for the purpose is gone. */
  async withdraw(purpose: string): Promise<void> {
    const withdrawn = this.#consents[purpose]?.withdraw(purpose);
    if (purpose === QUALITY) await this.#forgetReports();
    if (purpose === MASTERY) await this.#hints.erase();
    await this.capture.deleted();
    await withdrawn;
  }

  async close(): Promise<void> {
    await this.#loop.close();
    await this.capture.close();
  }
}
