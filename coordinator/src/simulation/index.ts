/** What programs that run whole federations on one machine need: the demo, benchmarks, tests of other packages. */

export { STRATEGY_IDS, strategyFor, sumStrategyFor } from "../strategies/registry.js";
export type { StrategySettings, SumResult, SumStep, SumStrategy } from "../strategies/strategy.js";
export { type DemoJob, demoJob } from "./demo.js";
export { type FederationOptions, type FederationResult, OUTPUT, runFederation } from "./federation.js";
export type { SimulatedPerson } from "./messages.js";
export { Progress } from "./progress.js";
export { ServerProcess, type ServerProcessOptions } from "./server-process.js";
export { type LabelledData, loadDataset } from "./virtual/dataset.js";
export { partitionOf } from "./virtual/partition.js";
export { simulatePlan, type VirtualSimulation, type VirtualSimulationOptions } from "./virtual/simulate-plan.js";
export { denseTopology } from "./virtual/topology.js";
