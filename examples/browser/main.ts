// The page: asks, shows, and never trains. The participant lives in the worker.
import type { Notice } from "@fedloop/client-runtime";
import { browserConditions, deleteBrowserSigner, deleteIndexedDbStore } from "@fedloop/client-runtime/browser";
import { WorkerParticipant } from "@fedloop/client-runtime/worker";
import { ratingsOf, recommended } from "../src/lecturers.js";

/** Of the participant's database and key in this browser. */
const DEVICE = "lecturers";

function element<E extends HTMLElement>(id: string, type: new () => E): E {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`expected an element #${id} in the page`);
  return found;
}

const rows = element("rows", HTMLTextAreaElement);
const question = element("question", HTMLDialogElement);
const show = (id: string, text: string): void => {
  element(id, HTMLElement).textContent = text;
};
const onClick = (id: string, act: () => Promise<void>): void => {
  element(id, HTMLButtonElement).addEventListener("click", () => {
    act().catch((cause: unknown) => show("status", String(cause)));
  });
};

/** Shows exactly the bytes that the consent record will name by their hash, and asks. */
function ask({ bytes, controller }: Notice, purpose: string): Promise<boolean> {
  show("notice", new TextDecoder().decode(bytes));
  show("asked", `May ${controller} use your ratings for ${purpose}?`);
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

async function takePart(): Promise<void> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const ratings = ratingsOf(rows.value);
  const coordinator = new URLSearchParams(location.search).get("coordinator") ?? location.origin;
  const participant = await WorkerParticipant.join({
    worker,
    data: { coordinator, device: DEVICE, ratings },
    decide: ask,
    conditions: browserConditions(),
  });
  // The next visit goes on by itself.
  localStorage.setItem(DEVICE, rows.value);

  async function showAll(): Promise<void> {
    const { epsilon, delta, rounds } = await participant.budget();
    show("budget", `${rounds} rounds cost ε ${epsilon.toFixed(3)} at δ ${delta}`);
    const receipts = (await participant.receipts()).map(({ type, index }) => `${type}: entry ${index} of the log`);
    element("receipts", HTMLOListElement).replaceChildren(
      ...receipts.map((text) => Object.assign(document.createElement("li"), { textContent: text })),
    );
    const model = await participant.model();
    if (model !== undefined) show("recommended", recommended(model.parameters, ratings).join(", "));
  }

  onClick("withdraw", async () => {
    await participant.withdraw();
    await showAll();
    show("status", "withdrawn");
  });
  onClick("export", async () => show("exported", JSON.stringify(await participant.export(), undefined, 2)));
  onClick("erase", async () => {
    await participant.erase();
    await participant.close();
    worker.terminate();
    await Promise.all([deleteBrowserSigner(DEVICE), deleteIndexedDbStore(DEVICE)]);
    localStorage.removeItem(DEVICE);
    show("status", "erased");
  });

  await showAll();
  for await (const event of participant.run()) {
    if ("round" in event) show("status", `round ${event.round}: ${event.type}`);
    else show("status", `${event.type}: ${event.type === "waiting" ? event.reason : event.code}`);
    if (event.type === "released") await showAll();
  }
  show("status", Object.values(participant.consents).some(({ state }) => state === "given") ? "finished" : "withdrawn");
}

function start(): void {
  takePart().catch((cause: unknown) => show("status", cause instanceof Error ? cause.message : String(cause)));
}

element("ratings", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
const before = localStorage.getItem(DEVICE);
if (before !== null) {
  rows.value = before;
  start();
}
