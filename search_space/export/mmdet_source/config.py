"""The configuration, by the recipe that SpineNet's authors call B (Du et al. 2020, section 5.1).

That is 350 epochs from new weights with images scaled by 0.5 to 2; SGD, for batches of 256 a learning rate of 0.28,
which MMDetection scales to the batch at hand; focal loss with gamma 1.5, Huber loss with delta 0.1 (`beta` there).
"""

CONFIG = """

# 80 classes are COCO's. For other data change NUM_CLASSES and the paths, and give both
# data sets their names: "metainfo": {"classes": ("a", "b")}.
NUM_CLASSES = $NUM_CLASSES
HEIGHT_AND_WIDTH = IMAGE_SIZE
WIDTH_AND_HEIGHT = IMAGE_SIZE[::-1]
DATASET: dict[str, Any] = {"type": "CocoDataset", "data_root": "data/coco/"}
LOADER: dict[str, Any] = {"num_workers": 4, "persistent_workers": True}
TRAIN_PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations", "with_bbox": True},
    {
        "type": "RandomResize",
        "scale": WIDTH_AND_HEIGHT,
        "ratio_range": (0.5, 2.0),
        "keep_ratio": True,
    },
    {
        "type": "RandomCrop",
        "crop_size": HEIGHT_AND_WIDTH,
        "recompute_bbox": False,
        "allow_negative_crop": True,
    },
    {"type": "FilterAnnotations", "min_gt_bbox_wh": (1e-2, 1e-2)},
    {"type": "RandomFlip", "prob": 0.5},
    {"type": "PackDetInputs"},
]
META_KEYS = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
VAL_PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "Resize", "scale": WIDTH_AND_HEIGHT, "keep_ratio": True},
    {"type": "LoadAnnotations", "with_bbox": True},
    {"type": "PackDetInputs", "meta_keys": META_KEYS},
]
TRAIN_LOADER: dict[str, Any] = {
    **LOADER,
    "batch_size": 8,
    "sampler": {"type": "DefaultSampler", "shuffle": True},
    "batch_sampler": {"type": "AspectRatioBatchSampler"},
    "dataset": {
        **DATASET,
        "ann_file": "annotations/instances_train2017.json",
        "data_prefix": {"img": "train2017/"},
        "filter_cfg": {"filter_empty_gt": False},
        "pipeline": TRAIN_PIPELINE,
    },
}
VAL_LOADER: dict[str, Any] = {
    **LOADER,
    "batch_size": 1,
    "drop_last": False,
    "sampler": {"type": "DefaultSampler", "shuffle": False},
    "dataset": {
        **DATASET,
        "ann_file": "annotations/instances_val2017.json",
        "data_prefix": {"img": "val2017/"},
        "test_mode": True,
        "pipeline": VAL_PIPELINE,
    },
}
EVALUATOR: dict[str, Any] = {
    "type": "CocoMetric",
    "ann_file": "data/coco/annotations/instances_val2017.json",
    "metric": "bbox",
}
MODEL: dict[str, Any] = {
    "type": "RetinaNet",
    "data_preprocessor": {
        "type": "DetDataPreprocessor",
        "mean": [123.675, 116.28, 103.53],
        "std": [58.395, 57.12, 57.375],
        "bgr_to_rgb": True,
        "pad_size_divisor": 2 ** max(PYRAMID),
    },
    "backbone": {"type": "$CLASS"},
    "neck": None,
    "bbox_head": {
        "type": "RetinaSepBNHead",
        "num_classes": NUM_CLASSES,
        "num_ins": len(PYRAMID),
        "in_channels": CHANNELS,
        "stacked_convs": $NUM_CONVS,
        "feat_channels": $HEAD_CHANNELS,
        "norm_cfg": {"type": "BN", "requires_grad": True},
        "anchor_generator": {
            "type": "AnchorGenerator",
            "octave_base_scale": 3,
            "scales_per_octave": 3,
            "ratios": [0.5, 1.0, 2.0],
            "strides": [2**level for level in PYRAMID],
            "center_offset": 0.5,
        },
        "bbox_coder": {
            "type": "DeltaXYWHBBoxCoder",
            "target_means": [0.0, 0.0, 0.0, 0.0],
            "target_stds": [1.0, 1.0, 1.0, 1.0],
        },
        "loss_cls": {
            "type": "FocalLoss",
            "use_sigmoid": True,
            "gamma": 1.5,
            "alpha": 0.25,
            "loss_weight": 1.0,
        },
        "loss_bbox": {"type": "SmoothL1Loss", "beta": 0.1, "loss_weight": 1.0},
    },
    "train_cfg": {
        "assigner": {
            "type": "MaxIoUAssigner",
            "pos_iou_thr": 0.5,
            "neg_iou_thr": 0.4,
            "min_pos_iou": 0,
            "ignore_iof_thr": -1,
        },
        "sampler": {"type": "PseudoSampler"},
        "allowed_border": -1,
        "pos_weight": -1,
        "debug": False,
    },
    "test_cfg": {
        "nms_pre": 1000,
        "min_bbox_size": 0,
        "score_thr": 0.05,
        "nms": {"type": "nms", "iou_threshold": 0.5},
        "max_per_img": 100,
    },
}
CONFIG: dict[str, Any] = {
    "default_scope": "mmdet",
    "model": MODEL,
    "train_dataloader": TRAIN_LOADER,
    "val_dataloader": VAL_LOADER,
    "test_dataloader": VAL_LOADER,
    "val_evaluator": EVALUATOR,
    "test_evaluator": EVALUATOR,
    "train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": 350, "val_interval": 10},
    "val_cfg": {"type": "ValLoop"},
    "test_cfg": {"type": "TestLoop"},
    "optim_wrapper": {
        "type": "OptimWrapper",
        "optimizer": {"type": "SGD", "lr": 0.28, "momentum": 0.9, "weight_decay": 4e-5},
        "clip_grad": {"max_norm": 10},
    },
    "param_scheduler": [
        {"type": "LinearLR", "start_factor": 0.02, "by_epoch": False, "end": 2000},
        {"type": "MultiStepLR", "end": 350, "milestones": [320, 340], "gamma": 0.1},
    ],
    "auto_scale_lr": {"enable": True, "base_batch_size": 256},
    "default_hooks": {"checkpoint": {"type": "CheckpointHook", "interval": 10}},
}
"""
