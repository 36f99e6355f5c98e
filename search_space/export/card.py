"""A model card in Markdown: what the network is, where it comes from, what it costs, what is known of its worth."""

import re
from collections.abc import Iterator, Sequence

from search_space.cost import NetworkCostReport, cost
from search_space.export.provenance import Provenance, ReferencePrecision, TrialOrigin, ValPrecision, as_percent
from search_space.fingerprint import fingerprint
from search_space.heads import head_name
from search_space.operations import Cost
from search_space.plan import NetworkPlan, TargetNetwork, resolve
from search_space.spec import ArchitectureSpec, BlockType, Neck

MAX_NAME = 200
_ACTIVE = frozenset("\\`*_{}[]<>()#+!|~&:@$^=")
"""What Markdown or one of its dialects reads as markup inside a line; `www.` becomes a link there as well."""
_WWW = re.compile(r"(www)\.", re.IGNORECASE)


def markdown(text: str) -> str:
    """Text that Markdown shows as it is, on one line, whatever it holds.

    >>> print(markdown("a|b <i>*c*"))
    a\\|b \\<i\\>\\*c\\*
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:MAX_NAME]).split())
    escaped = "".join(f"\\{c}" if c in _ACTIVE else c for c in line)
    return _WWW.sub(r"\1\\.", escaped) or "unnamed"


def export_card(spec: ArchitectureSpec, target: TargetNetwork, provenance: Provenance) -> str:
    """The card; every text that somebody else wrote is escaped."""
    plan = resolve(spec, target)
    report = cost(plan)
    origin = provenance.trial
    sections = [
        [f"# {markdown(spec.name)}", "", _summary(plan, provenance)],
        ["## Network", "", *_table(("", ""), _settings(plan))],
        ["## Cost", "", *_costs(plan, report, origin)],
        ["## Origin", "", *_origin(provenance)],
        ["## Average precision", "", *(_precision(origin) if origin else ["This export knows no measurement of it."])],
        ["## What this does not show", "", *(f"- {line}" for line in _limits(plan, origin))],
        ["## Block by block", "", *_blocks(plan, report)],
        ["## Use", "", *_use(spec, origin)],
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _summary(plan: NetworkPlan, provenance: Provenance) -> str:
    kind = (
        "A serial backbone with a feature pyramid"
        if plan.spec.neck is not Neck.ENDPOINTS
        else "A scale-permuted backbone"
    )
    origin = provenance.trial
    found = f", trial {origin.trial} of the search {markdown(origin.search_name)}" if origin else ""
    levels = f"P{plan.spec.min_level} to P{plan.spec.max_level}"
    return f"{kind} for object detection with the features {levels}{found}. Written by spinesearch."


def _settings(plan: NetworkPlan) -> list[tuple[str, str]]:
    spec, target = plan.spec, plan.target
    height, width = target.height_and_width
    head = head_name(plan.head)
    rows = [
        ("Input", f"{height} x {width} pixels, width scale {target.width_scale:g}"),
        ("Blocks", f"{len(plan.blocks)} live, {plan.num_dead_blocks} dead (not built)"),
        ("Activation", spec.activation),
        ("Pyramid", f"{plan.endpoints[0].out_channels} channels, {spec.neck}"),
        ("Head it was counted with", head if plan.head is None else f"{head}, {plan.num_classes} classes"),
        ("Fingerprint", f"`{fingerprint(plan)}`"),
    ]
    if spec.neck is Neck.ENDPOINTS:
        rows.insert(3, ("Connections", f"{spec.resampling} resampling, {spec.fusion} fusion"))
    if any(block.block_type is BlockType.MBCONV for block in plan.blocks):
        rows.insert(3, ("Squeeze-and-excitation", f"{spec.se_ratio:g} of a block's input"))
    return rows


def _costs(plan: NetworkPlan, report: NetworkCostReport, origin: TrialOrigin | None) -> Iterator[str]:
    detector = Cost(report.parameters, report.multiply_adds)
    rows = [_cost_row("at target size", report.backbone, detector)]
    if origin is not None:
        rows.append(_cost_row("as it was trained", origin.proxy_backbone, origin.proxy_detector))
    head = ("", "parameters, backbone", "with head", "multiply-adds, backbone", "with head")
    yield from _table(head, rows)
    yield ""
    yield (
        "Multiply-adds are those of convolutions and fully connected layers on one image. "
        "The backbone includes the pyramid."
    )


def _cost_row(name: str, backbone: Cost, detector: Cost) -> tuple[str, ...]:
    numbers = (backbone.parameters, detector.parameters, backbone.multiply_adds, detector.multiply_adds)
    return (name, *(f"{number:,}" for number in numbers))


def _origin(provenance: Provenance) -> Iterator[str]:
    origin = provenance.trial
    if provenance.source:
        yield f"Published: {markdown(provenance.source)}."
    elif origin is None:
        yield "Unknown."
    if origin is None:
        return
    task = ", ".join(
        f"{markdown(name)} {markdown(str(value))}"
        for name, value in origin.proxy.items()
        if value not in ((), [], None)
    )
    yield from _table(
        ("", ""),
        [
            ("Search", f"{markdown(origin.search_name)} (`{origin.search}`)"),
            ("Trial", f"{origin.trial}, proposed by: {markdown(origin.arm)}"),
            ("Space", markdown(origin.space)),
            ("Algorithm", f"{markdown(origin.algorithm)}, seed {origin.search_seed}"),
            ("Budget", f"{markdown(origin.budget)} of the backbone at target size"),
            ("Candidates trained", f"{origin.num_trained} when this was written"),
            ("Data", "the generated data set" if origin.data == "generated" else "a data set in COCO's format"),
            ("Proxy task", task),
            ("Training seed", "-" if origin.seed is None else str(origin.seed)),
            *((markdown(name), markdown(value)) for name, value in sorted(origin.versions.items())),
        ],
    )


def _precision(origin: TrialOrigin) -> Iterator[str]:
    yield "COCO AP (IoU 0.50 to 0.95) in hundredths, of the network as it was trained in the proxy task."
    yield ""
    rows = [("this network", *_val(origin.val), "")]
    rows += [(markdown(one.name), *_val(one.val), _difference(one)) for one in origin.references]
    head = ("", "AP on val", "standard error", "seeds", "this network less it (95 % interval)")
    yield from _table(head, rows)
    yield ""
    yield f"AP on the reward split, from one training: {as_percent(origin.average_precision)}."
    if origin.full_trainings:
        yield ""
        yield "Trained for longer, on all of train, at the size of the proxy task, and measured on val:"
        yield ""
        full = [
            (str(one.num_steps or "?"), str(one.seed), as_percent(one.average_precision))
            for one in origin.full_trainings
        ]
        yield from _table(("steps", "seed", "AP on val"), full)


def _val(val: ValPrecision) -> tuple[str, str, str]:
    seeds = ", ".join(map(str, val.seeds))
    return (
        as_percent(val.average_precision),
        as_percent(val.standard_error),
        f"{len(val.seeds)} ({seeds})" if seeds else "0",
    )


def _difference(one: ReferencePrecision) -> str:
    if one.difference is None or one.half_width is None:
        return "not known"
    interval = f"{100 * one.difference:+.1f} ± {100 * one.half_width:.1f}"
    is_significant = abs(one.difference) > one.half_width
    return interval if is_significant else f"{interval}, no significant difference"


def _limits(plan: NetworkPlan, origin: TrialOrigin | None) -> Iterator[str]:
    yield "Latency, memory and energy: none was measured. Multiply-adds do not tell them."
    if origin is None:
        yield "Accuracy: nothing was measured for this card."
        return
    size = f"{origin.proxy.get('image_size', '?')} pixels and {origin.proxy.get('width_scale', '?')} of the width"
    if origin.full_trainings:
        yield f"AP at target size: all AP above is of networks at {size}."
    else:
        yield (
            f"A full training: all AP above is of trainings of {origin.proxy.get('steps', '?')} steps at {size}. They "
            "rank architectures with an error, and their AP is not that of the network at target size."
        )
    if len(origin.val.seeds) < 2:
        yield "How far chance goes: AP on val was not measured with two seeds or more."
    if origin.arm != "reference" and origin.reward is not None:
        yield (
            f"An unbiased reward: it was one of {origin.num_trained} candidates, and the best of many is partly lucky. "
            "AP on val, with seeds that the search did not use, is free of that."
        )
    if not any(one.difference is not None for one in origin.references):
        yield "Whether it is better than a published architecture: none was measured alike with two seeds or more."
    if origin.data == "generated":
        yield "Photographs: the data are drawings that the program made."


def _blocks(plan: NetworkPlan, report: NetworkCostReport) -> Iterator[str]:
    costs = {row.name: Cost(row.parameters, row.multiply_adds) for row in report.per_block}
    planned = {block.index: block for block in plan.blocks}
    rows = []
    for index, block in enumerate(plan.spec.all_blocks):
        place = [
            str(index),
            f"L{block.level}",
            f"{block.block_type}" + (f" x {block.repeats}" if block.repeats > 1 else ""),
        ]
        if index not in planned:
            rows.append([*place, ", ".join(map(str, block.parents)), "", "dead", "", ""])
            continue
        live = planned[index]
        total = costs[f"block {index}"].plus(costs.get(f"block {index} inputs", Cost()))
        inputs = ", ".join(f"{edge.source}{' (joins)' if edge.is_orphan else ''}" for edge in live.edges)
        role = "stem" if live.is_stem else "output" if live.is_output else ""
        rows.append([*place, inputs, str(live.out_channels), role, f"{total.parameters:,}", f"{total.multiply_adds:,}"])
    yield from _table(("block", "level", "type", "inputs", "channels", "role", "parameters", "multiply-adds"), rows)
    yield ""
    yield "Costs of a block include its inputs. A block that nobody reads joins the output block of its level."


def _use(spec: ArchitectureSpec, origin: TrialOrigin | None) -> Iterator[str]:
    is_plain = all(c.isalnum() or c in "-._" for c in spec.name)
    which = f"{origin.search} --trial {origin.trial}" if origin else f"--reference {spec.name if is_plain else 'NAME'}"
    yield "```console"
    yield f"$ spinesearch export {which} --format pytorch -o backbone.py"
    yield f"$ spinesearch export {which} --format torchvision -o train.py"
    yield "```"
    yield ""
    yield "```python"
    yield "from backbone import build_backbone"
    yield ""
    yield "features = build_backbone()(images)  # by name, from the largest on; weights are new"
    yield "```"
