// Simulated learners in one page, each with a key, stores, consents and a loop of its own.
import { memoryStore } from "@fedloop/client-runtime";
import { generateWebCryptoSigner } from "@fedloop/consent";
import { type MessageSurface, seededNumbers } from "@fedloop/feedback";
import { CourseClock } from "./course-clock.js";
import { type CourseConfig, Learner } from "./learner.js";

/** Chance that a simulated learner opens a message, by its title. */
const OPENED: Readonly<Record<string, number>> = { Practice: 0.1, "Nearly there!": 0.9 };
const ANSWERS = 12;
/** Everybody has been here for a week, some for longer. */
const LEAST_TENURE = 8;
const MORE_DAYS = 5;
/** Chance that somebody opens the hint before the first answer. */
const PUZZLED = 0.5;
/** The days that the team's retention curve asks for. */
const CURVE = [1, 3, 7];
/** Questions that are asked before a week passes and the last of them is asked again. */
const QUESTIONS = 4;

interface Simulated {
  readonly learner: Learner;
  readonly openedHint: boolean;
  /** Days since joining on which this learner practised. */
  readonly days: readonly number[];
  /** Practises today. */
  readonly practise: () => void;
  /** Answers the team's questions; before the last of them comes again, a week and a harder chapter lie behind. */
  readonly report: () => Promise<void>;
}

async function simulated(config: CourseConfig, number: number): Promise<Simulated> {
  const random = seededNumbers(`learner ${number}`);
  const surface: MessageSurface = {
    as: "html",
    show: async ({ title }) => (random.uniform() < (OPENED[title] ?? 0.5) ? "opened" : "dismissed"),
  };
  const stores = new Map<string, ReturnType<typeof memoryStore>>();
  const { coordinator, gateways = [] } = config;
  const clock = new CourseClock();
  const tenure = LEAST_TENURE + Math.floor(MORE_DAYS * random.uniform());
  clock.days = -tenure;
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
    clock,
  });
  const talent = 0.3 + 0.5 * random.uniform();
  let given = 0;
  const answer = (chance: number): void => {
    given += 1;
    const correct = random.uniform() < chance;
    learner.capture.record("answer.given", { correct, question: `private-question-${number}-${given}` });
  };
  const learnt = (): number => talent + 0.02 * given;
  const days = Array.from({ length: tenure }, (_, day) => day).filter(
    (day) => day === 0 || random.uniform() < 0.25 + 0.6 * Math.exp(-day / 4),
  );
  const openedHint = random.uniform() < PUZZLED;
  if (openedHint) learner.capture.record("hint.opened", {});
  for (let n = 0; n < ANSWERS; n++) {
    clock.days = (days[Math.floor((n * days.length) / ANSWERS)] ?? 0) - tenure;
    answer(learnt());
  }
  clock.days = 0;
  const practise = (): void => {
    for (let n = 0; n < ANSWERS; n++) answer(learnt());
  };
  const report = async (): Promise<void> => {
    let answered = 0;
    await learner.report(() => {
      answered += 1;
      if (answered !== QUESTIONS) return;
      clock.days = 7;
      for (let n = 0; n < ANSWERS; n++) answer(0.3 * talent);
    });
  };
  return { learner, openedHint, days, practise, report };
}

/**
 * So many learners join, practise on some days, train together, practise again and get messages.
 *
 * @param tell what has been done so far
 * @param tellTruth what nobody but this page knows: how many came back on which day, and opened the hint
 * @returns what has all of them report
 */
export async function crowd(
  config: CourseConfig,
  people: number,
  tell: (text: string) => void,
  tellTruth: (text: string) => void,
): Promise<() => Promise<void>> {
  let joined = 0;
  const join = async (number: number): Promise<Simulated> => {
    const one = await simulated(config, number);
    joined += 1;
    tell(`${joined} joined`);
    return one;
  };
  const all = await Promise.all(Array.from({ length: people }, (_, number) => join(number)));
  const back = CURVE.map((day) => `${all.filter(({ days }) => days.includes(day)).length} on day ${day}`);
  const hints = all.filter(({ openedHint }) => openedHint).length;
  tellTruth(`of ${people} came back ${back.join(", ")}; ${hints} opened the hint`);
  tell("training");
  await Promise.all(all.map(({ learner }) => learner.train()));
  for (const { practise } of all) practise();
  tell("trained");
  return async () => {
    await Promise.all(all.map(({ report }) => report()));
  };
}
