// Documents to start from. Each is complete but for what only the user knows: where the data is.

const OWN_DATA = {
  root: "path/to/data",
  train: { images: "train", annotations: "annotations/instances_train.json" },
  val: { images: "val", annotations: "annotations/instances_val.json" },
};

export const PRESETS = {
  "try-it": {
    label: "Try it",
    note: "Generated pictures, two CPU cores, minutes.",
    document: { name: "try-it", space: "spinenet-49", data: "generated", proxy: { preset: "cpu-tiny" }, limits: { trials: 20 } },
  },
  cpu: {
    label: "Own data, CPU",
    note: "A few hundred photos, an hour or two.",
    document: { name: "own-data", space: "spinenet-49", data: OWN_DATA, proxy: { preset: "cpu-small" }, limits: { trials: 100, hours: 2 } },
  },
  gpu: {
    label: "Own data, one GPU",
    note: "A few thousand photos, a night.",
    document: {
      name: "own-data-gpu",
      space: "spinenet-49",
      data: OWN_DATA,
      proxy: { preset: "gpu-small" },
      limits: { trials: 500, hours: 12 },
      workers: [{ count: 1, cpus: 4, gpus: 1 }],
    },
  },
  joint: {
    label: "Everything at once",
    note: "Scales, connections, types and widths under one exact budget.",
    document: { name: "joint", space: "joint", data: OWN_DATA, proxy: { preset: "cpu-small" }, limits: { trials: 300, hours: 8 } },
  },
  paper: {
    label: "As in the paper",
    note: "COCO with the proxy of SpineNet, on eight GPUs.",
    document: {
      name: "coco-2017",
      space: "spinenet-49",
      data: {
        root: "coco",
        train: { images: "train2017", annotations: "annotations/instances_train2017.json" },
        val: { images: "val2017", annotations: "annotations/instances_val2017.json" },
        reward_split: 7392,
      },
      proxy: { preset: "paper" },
      limits: { trials: 14000 },
      workers: [{ count: 8, cpus: 8, gpus: 1 }],
    },
  },
};
