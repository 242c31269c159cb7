// The page: asks, practises, shows. With ?people=N it is a crowd of simulated learners instead, for the test and for a demonstration.
import type { Notice } from "@fedloop/client-runtime";
import { browserSigner, indexedDbStore, indexedDbWriteAhead } from "@fedloop/client-runtime/browser";
import { listenToDom, secureWhenHidden } from "@fedloop/feedback";
import { toastSurface } from "@fedloop/feedback/toast";
import { crowd } from "./crowd.js";
import { type CourseConfig, Learner } from "./learner.js";
import { MASTERY, QUALITY } from "./registry.js";

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
  const learner = await Learner.open({
    config,
    decide: ask,
    store: (name) => indexedDbStore(`learning-${name}`),
    ahead: await indexedDbWriteAhead("learning-ahead"),
    signer: (name) => browserSigner(`learning-${name}`),
    surface: toastSurface(),
    language: navigator.language,
  });
  const showCounts = (): void => {
    show(
      "kept",
      `${learner.capture.count(MASTERY).events} for ${MASTERY}, ${learner.capture.count(QUALITY).events} for ${QUALITY}`,
    );
  };
  const showSpent = async (): Promise<void> => {
    const [mastery, quality] = await Promise.all([learner.mastery.budget(), learner.quality.budget()]);
    show("budget", `ε ${mastery.epsilon.toFixed(2)} for ${MASTERY}, ε ${quality.epsilon.toFixed(2)} for ${QUALITY}`);
  };
  listenToDom(document, learner.capture, { onCapture: showCounts, onError: failed });
  onClick("withdraw", async () => {
    await learner.withdraw(MASTERY);
    showCounts();
    show("status", "withdrawn from mastery");
  });
  onClick("opt-out", async () => {
    await learner.delivery.optOut();
    show("status", "no more messages");
  });
  onClick("report", async () => {
    await learner.report();
    await showSpent();
    show("status", "reported");
  });
  secureWhenHidden(learner.capture, { onError: failed });
  showCounts();
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
