// Simulated learners in one page, each with a key, stores, consents and a loop of its own.
import { memoryStore } from "@fedloop/client-runtime";
import { generateWebCryptoSigner } from "@fedloop/consent";
import { type MessageSurface, seededNumbers } from "@fedloop/feedback";
import { type CourseConfig, Learner } from "./learner.js";

/** Chance that a simulated learner opens a message, by its title. */
const OPENED: Readonly<Record<string, number>> = { Practice: 0.1, "Nearly there!": 0.9 };
const ANSWERS = 12;

async function simulated(
  config: CourseConfig,
  number: number,
): Promise<{ learner: Learner; practise: (answers: number) => void }> {
  const random = seededNumbers(`learner ${number}`);
  const surface: MessageSurface = {
    as: "html",
    show: async ({ title }) => (random.uniform() < (OPENED[title] ?? 0.5) ? "opened" : "dismissed"),
  };
  const stores = new Map<string, ReturnType<typeof memoryStore>>();
  const { coordinator, gateways = [] } = config;
  const learner = await Learner.open({
    config: { ...config, coordinator: gateways[number] ?? coordinator },
    decide: () => true,
    store: (name) => {
      const store = stores.get(name) ?? memoryStore();
      stores.set(name, store);
      return store;
    },
    signer: () => generateWebCryptoSigner(),
    surface,
    language: "en",
  });
  const talent = 0.3 + 0.5 * random.uniform();
  let given = 0;
  const practise = (answers: number): void => {
    for (let n = 0; n < answers; n++) {
      given += 1;
      const correct = random.uniform() < talent + 0.02 * given;
      learner.capture.record("answer.given", { correct, question: `private-question-${number}-${given}` });
    }
  };
  return { learner, practise };
}

/**
 * So many learners join, practise, train together, practise again and get messages.
 *
 * @returns what has all of them report
 */
export async function crowd(
  config: CourseConfig,
  people: number,
  tell: (text: string) => void,
): Promise<() => Promise<void>> {
  const all: Awaited<ReturnType<typeof simulated>>[] = [];
  for (let number = 0; number < people; number++) {
    all.push(await simulated(config, number));
    tell(`${all.length} joined`);
  }
  for (const { practise } of all) practise(ANSWERS);
  tell("training");
  await Promise.all(all.map(({ learner }) => learner.train()));
  for (const { practise } of all) practise(ANSWERS);
  tell("trained");
  return async () => {
    await Promise.all(all.map(({ learner }) => learner.report()));
  };
}
