"""An experiment as a stage: arms that differ in what is asked about, each with every seed, in one table and figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from typing import Any

from r1lab.config.nodes import key_of
from r1lab.disk import write_json_atomic
from r1lab.evaluation.arms import Curve, arms_table, plot_arms
from r1lab.stages.base import Context, Stage
from r1lab.stages.pipeline import Pipeline
from r1lab.stages.plan import read_summary
from r1lab.stages.run import Run
from r1lab.stages.watch import RunTables


@dataclass(frozen=True)
class Comparison(Stage):
    """Every arm is a pipeline of its own; what two arms share has one address, and is done when it comes again."""

    arms: Mapping[str, Mapping[str, Mapping[str, Any]]]
    """By name the nodes of each arm, as those of a `Pipeline`; the evaluations of its last node are compared."""
    seeds: Sequence[int]
    common: Mapping[str, Any]
    """Choices and settings of every node, unless its own say otherwise."""
    shows: Mapping[str, str]
    """What is compared: a title, and the place of a number in an evaluation, such as scores.language."""
    overrides: Sequence[str]
    plan_only: bool = False
    """Whether the nodes are looked at and never run."""

    @cached_property
    def pipeline(self) -> Pipeline:
        """All arms with all seeds, one after the other: of every arm the first seed, then the second."""
        nodes = {
            _name(arm, seed, name): {
                **node,
                "settings": {**node.get("settings", {}), "run.seed": seed},
                "inputs": {key: _name(arm, seed, source) for key, source in node.get("inputs", {}).items()},
            }
            for seed in self.seeds
            for arm, own in self.arms.items()
            for name, node in own.items()
        }
        return Pipeline(nodes, self.common, {}, {}, self.overrides, self.plan_only)

    def faults(self) -> list[str]:
        """Nothing to compare, or what is wrong with any node."""
        if not self.arms or not self.seeds or not self.shows or not all(self.arms.values()):
            found = f"arms {', '.join(self.arms) or 'none'}; seeds {list(self.seeds)}; shows {', '.join(self.shows)}"
            return [f"stage: there is nothing to compare ({found}). Try experiments=clip_bounds, which names arms."]
        faults = [
            f"stage.arms.{arm}.{name}={node!r} is no node. Try {{stage: r1zero}}."
            for arm, own in self.arms.items()
            for name, node in own.items()
            if not isinstance(node, Mapping)
        ]
        if len(set(self.seeds)) < len(self.seeds):
            faults.append(f"stage.seeds={list(self.seeds)}: a seed twice says the same twice.")
        if seeded := [word for word in self.overrides if key_of(word) == "run.seed"]:
            faults.append(f"{seeded[0]}: every arm runs with stage.seeds={list(self.seeds)}. Set those.")
        faults = faults or self.pipeline.faults()
        return faults or [fault for arm in self.arms for fault in self.unseen(arm)]

    def unseen(self, arm: str) -> list[str]:
        """What is to be shown and is not among the numbers of an arm."""
        last = self.last(arm, self.seeds[0])
        if not hasattr(last.stage, "evaluation"):
            return [
                f"stage.arms.{arm}: its last node, stage={last.name}, evaluates nothing. End it with stage: evaluate."
            ]
        places = last.stage.evaluation.places
        return [
            f"stage.shows: {title}: {place} is no number of stage.arms.{arm}. It has {', '.join(places)}."
            for title, place in self.shows.items()
            if not any(fnmatch(place, pattern) for pattern in places)
        ]

    def last(self, arm: str, seed: int) -> Run:
        """The run of an arm's last node."""
        return self.pipeline.runs[_name(arm, seed, list(self.arms[arm])[-1])]

    def complete(self) -> bool:
        """Whether every node is done."""
        return self.pipeline.complete()

    def identity(self, config: Mapping[str, Any]) -> Any:
        """The addresses of all nodes, and what is shown of them."""
        return {"nodes": self.pipeline.identity(config), "shows": dict(self.shows)}

    def graph(self) -> str:
        """The graph of all arms."""
        return self.pipeline.graph()

    def run(self, context: Context) -> None:
        """Runs what is to do, then compares."""
        self.pipeline.work(context)
        curves = {arm: [self.curve(arm, seed) for seed in self.seeds] for arm in self.arms}
        found = {arm: [curve[-1] for curve in of_seeds] for arm, of_seeds in curves.items()}
        write_json_atomic(context.folder / "summary.json", {"seeds": list(self.seeds), "arms": found})
        plot_arms(curves, self.shows, context.folder / "comparison.png")
        told = f"Seeds {', '.join(map(str, self.seeds))}: mean (lowest to highest)"
        figure = f"Figure: {context.folder / 'comparison.png'}"
        context.report("\n".join([told, "", arms_table(curves, self.shows), "", figure]))

    def curve(self, arm: str, seed: int) -> Curve:
        """The evaluations of an arm's last node, oldest first."""
        run = self.last(arm, seed)
        return RunTables(run.newest.folder).evaluations() or [read_summary(run)]


def _name(arm: str, seed: int, node: str) -> str:
    return f"{arm}/{seed}/{node}"
