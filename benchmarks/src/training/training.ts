import { type LayersEngine, openLayersModel } from "@fedloop/client-runtime/tensorflow";
import { examplesOf, type TrainingCase, trainingCases } from "./models.js";

/** What one model did at one engine. */
export interface TrainingResult {
  readonly benchmark: "training";
  readonly model: string;
  readonly engine: LayersEngine;
  readonly batchSize: number;
  readonly steps: number;
  /** By the processor's time, which other work on the machine does not count in; and by the clock. */
  readonly stepsPerProcessorSecond: number;
  readonly stepsPerSecond: number;
  /** What PyTorch 1.13 did on one thread, least and most, on the machine of the README's table. */
  readonly pytorchRecorded: readonly [number, number] | undefined;
}

/** Steps a second, by model; see reference/training.py. */
const PYTORCH: Readonly<Record<string, readonly [number, number]>> = {
  "logistic regression": [7000, 8700],
  MLP: [2200, 2800],
  CNN: [161, 207],
  "matrix factorisation": [2400, 3500],
  LSTM: [9.2, 10.4],
};

/** Batches that training goes round in. */
const BATCHES = 4;

function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function measure(each: TrainingCase, engine: LayersEngine, seconds: number): Promise<TrainingResult> {
  const model = await openLayersModel({ model: each.build, loss: each.loss, backends: [engine] });
  const examples = examplesOf(each, BATCHES * each.batchSize, 1);
  const batches = Array.from({ length: BATCHES }, (_, batch) =>
    Uint32Array.from({ length: each.batchSize }, (_, i) => batch * each.batchSize + i),
  );
  const built = each.build();
  const manifest = built.weights.map(({ name, shape }) => ({ name, shape: shape.map((extent) => extent ?? 1) }));
  const parameters = new Float32Array(manifest.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0));
  built.dispose();
  parameters.forEach((_, i) => {
    parameters[i] = 0.05 * Math.sin(i * i);
  });
  model.start(parameters, manifest, { optimiser: { type: "sgd", learningRate: 0.01 }, batchSize: each.batchSize });

  // Until the time is up, first to warm up and then to count; a step of which one takes that long is not warmed up for.
  const run = async (limit: number): Promise<{ steps: number; processor: number; clock: number }> => {
    const [processor, clock] = [processorSeconds(), performance.now()];
    let steps = 0;
    do {
      model.step(examples, batches[steps % BATCHES] ?? new Uint32Array());
      steps += 1;
    } while (processorSeconds() - processor < limit);
    await model.read();
    return { steps, processor: processorSeconds() - processor, clock: (performance.now() - clock) / 1000 };
  };
  const warm = await run(seconds / 2);
  const { steps, processor, clock } = warm.steps === 1 ? warm : await run(seconds);
  model.close();
  return {
    benchmark: "training",
    model: each.name,
    engine,
    batchSize: each.batchSize,
    steps,
    stepsPerProcessorSecond: rounded(steps / processor),
    stepsPerSecond: rounded(steps / clock),
    pytorchRecorded: PYTORCH[each.name],
  };
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

/**
 * Steps a second of the five models at each engine.
 *
 * @param seconds of processor time for each
 * @param report is told of each result as it comes
 */
export async function trainingBenchmark(
  seconds: number,
  engines: readonly LayersEngine[],
  report: (result: TrainingResult) => void,
): Promise<readonly TrainingResult[]> {
  const results: TrainingResult[] = [];
  for (const each of trainingCases()) {
    for (const engine of engines) {
      const result = await measure(each, engine, seconds);
      report(result);
      results.push(result);
    }
  }
  return results;
}
