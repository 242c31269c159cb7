// A participant that answers federated queries: what it would be asked stands in the plan, what it answers with is its
// own rows, and clip, noise and masks are the runtime's as in training.
import { PrivacyError } from "@fedloop/privacy";
import {
  type AnalyticsQuery,
  contribution,
  contributionLength,
  newestTrial,
  parseQuery,
  type Row,
} from "@fedloop/privacy/analytics";
import { ClientError, throwIfAborted } from "../errors.js";
import type { LocalState, Trainer, TrainerSettings } from "../trainers/trainer.js";

/** What a plan's `trainer.id` is for a round that asks a query. */
const ANALYTICS_TRAINER = "analytics";

/** The app's rows of one table, oldest first, as they are when a query is answered. */
export type RowSource = readonly Row[] | ((signal: AbortSignal) => Promise<readonly Row[]> | readonly Row[]);

export interface AnalyticsOptions {
  /** The tables that queries may look at. A query of any other is not answered. */
  readonly tables: Readonly<Record<string, RowSource>>;
  /** Whether a query is answered at all; every query of these tables unless given. */
  readonly accepts?: (query: AnalyticsQuery) => boolean;
}

function queryOf(settings: TrainerSettings): AnalyticsQuery {
  const { query } = settings;
  try {
    if (typeof query === "string") return parseQuery(query);
  } catch (cause) {
    if (!(cause instanceof PrivacyError)) throw cause;
    throw new ClientError("GUARD_UNSUPPORTED", `expected a query that this runtime knows: ${cause.message}`, { cause });
  }
  throw new ClientError("GUARD_UNSUPPORTED", "expected a query in the plan's settings, there is none");
}

/**
 * A participant is counted by an experiment in the first turn that it has rows in, and in no other: what is found at
 * different turns is then about different people, as analyses of several looks need it. A turn that is tried again counts.
 *
 * @param answer emptied where another turn has counted it
 * @param trial what is tried, in an experiment that counts once for each thing tried; what came before it is forgotten
 */
async function countOnce(
  answer: Float32Array,
  { name, turn }: TrainerSettings,
  trial: string | undefined,
  state: LocalState,
): Promise<void> {
  if (answer.every((value) => value === 0)) return;
  const key = `analytics/${String(name)}`;
  const now = new TextEncoder().encode(trial === undefined ? String(turn) : `${turn} ${trial}`);
  const counted = new TextDecoder().decode(await state.get(key));
  const [countedTurn = "", ...countedTrial] = counted.split(" ");
  if (countedTurn === "" || countedTrial.join(" ") !== (trial ?? "")) await state.put(key, now);
  else if (countedTurn !== String(turn)) answer.fill(0);
}

/**
 * Answers the queries of plans of federated analytics from the app's own rows. Who has no rows answers with zeros.
 *
 * @throws ClientError GUARD_UNSUPPORTED from a round whose query is unknown, of a table the app did not give, or not
 * accepted; WRONG_LENGTH where the plan expects another number of sums than the query makes
 */
export function analyticsTrainer({ tables, accepts }: AnalyticsOptions): Trainer {
  return {
    id: ANALYTICS_TRAINER,
    async train() {
      throw new ClientError("GUARD_UNSUPPORTED", "expected a round that asks a query, came one that trains");
    },
    async evaluate({ settings, state, updateLength, signal, onProgress }) {
      throwIfAborted(signal);
      const query = queryOf(settings);
      const source = Object.hasOwn(tables, query.table) ? tables[query.table] : undefined;
      if (source === undefined) {
        throw new ClientError(
          "GUARD_UNSUPPORTED",
          `expected a query of a table that the app gave, came "${query.table}"`,
        );
      }
      if (accepts !== undefined && !accepts(query)) {
        throw new ClientError("GUARD_UNSUPPORTED", "expected a query that the app accepts, came one that it does not");
      }
      const due = contributionLength(query);
      if (updateLength !== due) {
        throw new ClientError("WRONG_LENGTH", `expected a plan of ${due} sums for this query, came ${updateLength}`);
      }
      const rows = typeof source === "function" ? await source(signal) : source;
      throwIfAborted(signal);
      const answer = contribution(query, rows);
      if (query.kind === "experiment") await countOnce(answer, settings, newestTrial(query, rows), state);
      onProgress(1);
      return answer;
    },
  };
}

/**
 * A trainer that answers queries beside, for plans that train and ask under one budget. Rounds of training and their
 * evaluations are the trainer's, rounds that ask a query are answered from the tables.
 */
export function answeringTrainer(trainer: Trainer, options: AnalyticsOptions): Trainer {
  const answers = analyticsTrainer(options);
  return {
    id: trainer.id,
    answersQueries: true,
    ...(trainer.isExampleLevel === undefined ? {} : { isExampleLevel: trainer.isExampleLevel }),
    train: (task) => trainer.train(task),
    evaluate: (task) => (isQuery(task.settings) ? answers : trainer).evaluate(task),
  };
}

/** The settings of a query's round are these four and no others. */
function isQuery(settings: TrainerSettings): boolean {
  const names = Object.keys(settings).sort().join();
  return names === "name,query,step,turn";
}
