export { ANALYTICS_TRAINER, type AnalyticsOptions, analyticsTrainer, type RowSource } from "./analytics-trainer.js";
