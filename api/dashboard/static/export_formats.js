// The formats that an architecture can be taken away in.

export const FORMATS = [
  ["spec", "block specs (JSON)"],
  ["pytorch", "PyTorch file"],
  ["torchvision", "torchvision training"],
  ["tf-vision", "TF-Vision block specs"],
  ["mmdet", "MMDetection file"],
  ["svg", "drawing (SVG)"],
  ["card", "model card"],
  ["onnx", "ONNX file"],
];

/** What the link to a format needs where a controller has to make the file first; `label` says of what it is. */
export const madeFirst = (format, label) => (format === "onnx" ? { "data-made": `ONNX of ${label}` } : {});
