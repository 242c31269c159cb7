// The page: asks, practises, shows. With ?people=N it is a crowd of simulated learners instead, for the test and for a demonstration.
import type { Notice } from "@fedloop/client-runtime";
import { browserSigner, indexedDbStore, indexedDbWriteAhead } from "@fedloop/client-runtime/browser";
import {
  type CaptureOutcome,
  listenToDom,
  purposeGate,
  secureWhenHidden,
  TabConsent,
  TabMessages,
  TabRecorder,
} from "@fedloop/feedback";
import { toastSurface } from "@fedloop/feedback/toast";
import { crowd } from "./crowd.js";
import { EXPLANATIONS } from "./hints.js";
import { type CourseConfig, Learner } from "./learner.js";
import { MASTERY, QUALITY, registry } from "./registry.js";
import { TabActions } from "./tabs.js";

function element<E extends HTMLElement>(id: string, type: new () => E): E {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`expected an element #${id} in the page`);
  return found;
}

const question = element("question", HTMLDialogElement);
const show = (id: string, text: string): void => {
  element(id, HTMLElement).textContent = text;
};
const failed = (cause: unknown): void => show("status", cause instanceof Error ? cause.message : String(cause));
const onClick = (id: string, act: () => Promise<void>): void => {
  element(id, HTMLButtonElement).addEventListener("click", () => void act().catch(failed));
};

/** Shows exactly the bytes that the consent record will name by their hash, and asks. */
function ask({ bytes, controller }: Notice, purpose: string): Promise<boolean> {
  show("notice", new TextDecoder().decode(bytes));
  show("asked", `May ${controller} use your answers for ${purpose}?`);
  question.showModal();
  return new Promise((resolve) => {
    for (const [id, answer] of [
      ["yes", true],
      ["no", false],
    ] as const) {
      element(id, HTMLButtonElement).onclick = () => {
        question.close();
        resolve(answer);
      };
    }
  });
}

async function person(config: CourseConfig): Promise<void> {
  // A tab of several: each records and shows, one has the log, trains and decides.
  const ahead = await indexedDbWriteAhead("learning-ahead");
  const consent = new TabConsent("learning", registry.purposes);
  const recorder = new TabRecorder({ registry, gate: purposeGate(consent), ahead, onError: failed });
  const messages = new TabMessages({ name: "learning", surface: toastSurface() });
  const actions = new TabActions((done) => show("status", done), failed);
  let showCounts = ({ captured }: CaptureOutcome): void => {
    show("kept", captured.length === 0 ? "nothing" : `by another tab, for ${captured.join(" and ")}`);
  };
  listenToDom(document, recorder, { onCapture: (_type, outcome) => showCounts(outcome), onError: failed });
  let explain = async (): Promise<string> => Object.values(EXPLANATIONS)[0] ?? "";
  onClick("hint", async () => show("explanation", await explain()));
  for (const id of ["withdraw", "opt-out", "report"]) onClick(id, async () => actions.act(id));

  show("status", "another tab has the log; what you do here counts");
  const events = indexedDbStore("learning-events", { waitMs: Number.POSITIVE_INFINITY });
  // The first use waits until no other tab has it.
  await events.keys("");
  const learner = await Learner.open({
    config,
    decide: ask,
    store: (name) => (name === "events" ? events : indexedDbStore(`learning-${name}`)),
    ahead,
    signer: (name) => browserSigner(`learning-${name}`),
    surface: messages,
    attention: messages,
    language: navigator.language,
  });
  explain = () => learner.hint();
  showCounts = () => {
    const [mastery, quality] = [MASTERY, QUALITY].map((purpose) => learner.capture.count(purpose).events);
    show("kept", `${mastery} for ${MASTERY}, ${quality} for ${QUALITY}`);
  };
  const counted = (): void => showCounts({ captured: [], refused: {} });
  const showSpent = async (): Promise<void> => {
    const [mastery, quality] = await Promise.all([learner.mastery.budget(), learner.quality.budget()]);
    show("budget", `ε ${mastery.epsilon.toFixed(2)} for ${MASTERY}, ε ${quality.epsilon.toFixed(2)} for ${QUALITY}`);
  };
  actions.lead({
    withdraw: async () => {
      await learner.withdraw(MASTERY);
      counted();
      return "withdrawn from mastery";
    },
    "opt-out": async () => {
      await learner.delivery.optOut();
      return "no more messages";
    },
    report: async () => {
      await learner.report();
      await showSpent();
      return "reported";
    },
  });
  consent.attach(learner.consent);
  recorder.attach(learner.capture);
  // Also what other tabs have recorded.
  for (const purpose of registry.purposes) learner.capture.follow(purpose, counted);
  secureWhenHidden(learner.capture, { onError: failed });
  counted();
  show("status", "ready");
  await learner.train();
  await showSpent();
  show("status", "trained");
}

async function start(): Promise<void> {
  const parameters = new URLSearchParams(location.search);
  const config: CourseConfig = await (await fetch(parameters.get("config") ?? "config.json")).json();
  const people = Number(parameters.get("people") ?? 0);
  if (people === 0) return person(config);
  const report = await crowd(
    config,
    people,
    (text) => show("status", text),
    (text) => show("kept", text),
  );
  onClick("report", async () => {
    await report();
    show("status", "reported");
  });
}

start().catch(failed);
