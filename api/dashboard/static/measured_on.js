// What a job of a trial measures, in the words of its tables.

const KINDS = { latency: "latency", proxy: "reward split", reevaluate: "val", full_train: "val, full training" };

export const measuredOn = (job) => KINDS[job.kind] ?? job.kind;
