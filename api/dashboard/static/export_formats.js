// The formats that an architecture can be taken away in.

export const FORMATS = [
  ["spec", "block specs (JSON)"],
  ["pytorch", "PyTorch file"],
  ["torchvision", "torchvision training"],
  ["tf-vision", "TF-Vision block specs"],
  ["mmdet", "MMDetection file"],
  ["svg", "drawing (SVG)"],
  ["card", "model card"],
];
