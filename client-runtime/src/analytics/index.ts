export { type AnalyticsOptions, analyticsTrainer, answeringTrainer, type RowSource } from "./analytics-trainer.js";
