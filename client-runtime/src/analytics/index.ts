export { type AnalyticsOptions, analyticsTrainer, type RowSource } from "./analytics-trainer.js";
