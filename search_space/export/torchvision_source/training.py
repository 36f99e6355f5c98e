"""Images in COCO's format, the training, and its AP."""

IMAGES = '''

Entry = dict[str, Any]
Target = dict[str, Tensor]
Sample = tuple[Tensor, Target]
Batch = tuple[list[Tensor], list[Target]]


class CocoImages(Dataset[Sample]):
    """Images with their boxes (x0, y0, x1, y1) in pixels, and labels.

    Crowd regions and boxes without an area are left out; an image may have no box.
    """

    def __init__(self, folder: Path, annotations: Path, transform: nn.Module) -> None:
        document = json.loads(annotations.read_text(encoding="utf-8"))
        self.folder, self.images = folder, document["images"]
        self.transform = transform
        self.category_ids = sorted({entry["id"] for entry in document["categories"]})
        label_of = {k: label for label, k in enumerate(self.category_ids)}
        self.boxes: dict[int, list[list[float]]] = defaultdict(list)
        self.labels: dict[int, list[int]] = defaultdict(list)
        for entry in document["annotations"]:
            x, y, width, height = entry["bbox"]
            if not entry.get("iscrowd", 0) and width > 0 and height > 0:
                self.boxes[entry["image_id"]].append([x, y, x + width, y + height])
                self.labels[entry["image_id"]].append(label_of[entry["category_id"]])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        entry = self.images[index]
        with Image.open(self.folder / entry["file_name"]) as file:
            image = v2.functional.to_image(file.convert("RGB"))
        corners = torch.tensor(self.boxes.get(entry["id"], [])).reshape(-1, 4)
        labels = torch.tensor(self.labels.get(entry["id"], []), dtype=torch.int64)
        boxes = tv_tensors.BoundingBoxes(
            corners,
            format=tv_tensors.BoundingBoxFormat.XYXY,
            canvas_size=tuple(image.shape[-2:]),
        )
        sample: Sample = self.transform(image, {"boxes": boxes, "labels": labels})
        return sample


def training_transform(least: float, most: float) -> v2.Compose:
    """A random flip, a random scale of the target size, and a window of that size."""
    return v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.ScaleJitter(IMAGE_SIZE, (least, most)),
            v2.RandomCrop(IMAGE_SIZE, pad_if_needed=True),
            v2.SanitizeBoundingBoxes(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )


def listed(samples: list[Sample]) -> Batch:
    """A batch as torchvision's detectors take it."""
    images, targets = zip(*samples, strict=True)
    return list(images), list(targets)
'''

TRAINING = '''

class Trainer:
    """One training: AdamW, a short warm-up, then a cosine to zero."""

    def __init__(self, detector: RetinaNet, steps: int, lr: float) -> None:
        self.detector = detector
        self.device = next(detector.parameters()).device
        self.steps, self.warm_up, self.step = steps, min(500, 1 + steps // 10), 0
        self.optimizer = torch.optim.AdamW(detector.parameters(), lr, weight_decay=0.05)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._factor)

    def _factor(self, step: int) -> float:
        progress = min(1.0, step / self.steps)
        decayed = (1 + math.cos(math.pi * progress)) / 2
        return min(1.0, (step + 1) / self.warm_up) * decayed

    def train_epoch(self, batches: DataLoader[Sample]) -> float:
        """The mean loss of the epoch's steps."""
        self.detector.train()
        losses = [self._train_step(batch) for batch in batches]
        return sum(losses) / len(losses)

    def _train_step(self, batch: Batch) -> float:
        images = [image.to(self.device) for image in batch[0]]
        targets = [{k: v.to(self.device) for k, v in one.items()} for one in batch[1]]
        on_gpu = self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=on_gpu):
            loss = sum(self.detector(images, targets).values())
        value = float(loss.detach())
        self.step += 1
        if not math.isfinite(value):
            raise SystemExit(f"step {self.step}: loss {value}; try a lower --lr")
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.detector.parameters(), 10.0)
        self.optimizer.step()
        self.schedule.step()
        return value


@torch.inference_mode()
def find_objects(detector: RetinaNet, batches: DataLoader[Sample]) -> list[Entry]:
    """What the detector finds in a `CocoImages`, as COCO writes results."""
    detector.eval()
    device = next(detector.parameters()).device
    dataset: Any = batches.dataset
    entries = iter(dataset.images)
    found: list[Entry] = []
    for images, _ in batches:
        for one in detector([image.to(device) for image in images]):
            image_id = next(entries)["id"]
            columns = (one[name].tolist() for name in ("boxes", "labels", "scores"))
            for (x0, y0, x1, y1), label, score in zip(*columns, strict=True):
                box = [x0, y0, x1 - x0, y1 - y0]
                category_id = dataset.category_ids[label]
                entry = {"image_id": image_id, "category_id": category_id}
                found.append({**entry, "bbox": box, "score": score})
    return found


def average_precision(annotations: Path, found: list[Entry]) -> float | None:
    """COCO's AP in [0, 1]; None where pycocotools is not installed."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        return None
    if not found:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        truth.dataset.setdefault("info", {})
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return max(0.0, float(evaluation.stats[0]))
'''

MAIN = """

def parse_arguments() -> argparse.Namespace:
    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description="Train on data in COCO's format.")
    for name in ("--images", "--annotations", "--val-images", "--val-annotations"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=16, help="2 or more")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--scale", type=float, nargs=2, default=(0.5, 2.0))
    parser.add_argument("--output", type=Path, default=Path("model.pt"))
    parser.add_argument("--workers", type=int, default=4, help="that read images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if gpu else "cpu")
    arguments = parser.parse_args()
    if arguments.batch_size < 2 or arguments.epochs < 1:
        parser.error("--batch-size must be 2 or more, --epochs 1 or more")
    return arguments


def main() -> None:
    given = parse_arguments()
    torch.manual_seed(given.seed)
    transform = training_transform(*given.scale)
    learned = CocoImages(given.images, given.annotations, transform)
    plain = v2.ToDtype(torch.float32, scale=True)
    measured = CocoImages(given.val_images, given.val_annotations, plain)
    if learned.category_ids != measured.category_ids:
        raise SystemExit("training and validation have different categories")
    if len(learned) < given.batch_size:
        raise SystemExit(f"{len(learned)} images are fewer than --batch-size")
    load = partial(
        DataLoader[Sample],
        batch_size=given.batch_size,
        num_workers=given.workers,
        collate_fn=listed,
    )
    batches = load(learned, shuffle=True, drop_last=True)
    detector = build_detector(len(learned.category_ids)).to(given.device)
    trainer = Trainer(detector, given.epochs * len(batches), given.lr)
    for epoch in range(1, given.epochs + 1):
        loss = trainer.train_epoch(batches)
        saved = {"model": detector.state_dict(), "category_ids": learned.category_ids}
        torch.save(saved, given.output)
        found = find_objects(detector, load(measured))
        ap = average_precision(given.val_annotations, found)
        ap_text = "needs pycocotools" if ap is None else f"{ap:.4f}"
        print(f"epoch {epoch}: loss {loss:.4f}, AP on val {ap_text}", flush=True)


if __name__ == "__main__":
    main()
"""
