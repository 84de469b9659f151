"""A stage made of stages: each node is an ordinary run, found by its address, and done only where it is not done."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from r1lab.config.build import binding_faults, words
from r1lab.config.nodes import Node, key_of, leaves, overlap, shared
from r1lab.disk import write_json_atomic
from r1lab.errors import BusyError, ConfigError
from r1lab.evaluation.report import gains_table, stages_table
from r1lab.evaluation.run import gains
from r1lab.processes import num_launched
from r1lab.records.progress import track
from r1lab.stages.base import Context, Stage
from r1lab.stages.evaluate import read_outcomes
from r1lab.stages.plan import minutes, read_summary, state
from r1lab.stages.run import Run
from r1lab.text.columns import table

POLL_SECONDS = 5.0


@dataclass(frozen=True)
class Pipeline(Stage):
    """Nodes in the order in which they run; what a node takes is made by one before it.

    On a cluster the nodes are to become jobs that wait for one another: each has a command and an address of its own,
    and hands on nothing but artifacts.
    """

    nodes: Mapping[str, Mapping[str, Any]]
    """The fields of each `Node`, by its name; null for one that another scale has and this one has not."""
    common: Mapping[str, Any]
    """Choices and settings of every node, unless its own say otherwise."""
    columns: Mapping[str, str]
    """The evaluations that are shown beside one another at the end: a title and the node of each."""
    gains: Mapping[str, str]
    """What is compared question by question: the title of a column -> that of the one that it is to gain over."""
    overrides: Sequence[str]
    """The words of the command: what speaks of no node holds for all of them."""
    plan_only: bool = False
    """Whether the nodes are looked at and never run: nothing is called but their parts."""

    def __post_init__(self):
        object.__setattr__(self, "nodes", {name: node for name, node in self.nodes.items() if node is not None})

    def faults(self) -> list[str]:
        """What is wrong with any node, before the first one begins."""
        if num_launched() > 1:
            return [f"A pipeline starts its processes itself, node by node; {num_launched()} were started. Start one."]
        if not self.nodes:
            return ["stage.nodes is empty. Try stage=r1, or an experiment that names some."]
        faults = list(binding_faults(Node, self.common, "stage.common", True))
        named = ", ".join(name for name, node in self.nodes.items() if "stage" in node)
        for name, node in self.nodes.items():
            if "stage" in node:
                faults += binding_faults(Node, node, f"stage.nodes.{name}", False)
            else:  # words of the command alone: settings of a node that there is not
                faults.append(f"stage.nodes.{name}: there is no such node, or not at this scale. There are {named}.")
        faults += [
            f"stage.columns.{title}={name}: no such node evaluates. Take a node of stage=evaluate."
            for title, name in self.columns.items()
            if self.nodes.get(name, {}).get("stage") != "evaluate"
        ]
        faults += [
            f"stage.gains.{new}={old}: both are columns of the table. They are {', '.join(self.columns) or 'none'}."
            for new, old in self.gains.items()
            if not {new, old} <= self.columns.keys()
        ]
        return faults or self._looked_at[1] or [fault for pair in self.gains.items() for fault in self.unlike(*pair)]

    def unlike(self, new: str, old: str) -> list[str]:
        """Two evaluations that do not ask the same questions, in the same number."""
        asked = [self.runs[self.columns[title]].config["stage"] for title in (new, old)]
        others = [key for key in ("mix", "evaluation") if asked[0][key] != asked[1][key]]
        return [f"stage.gains.{new}={old}: they are not asked the same ({key} differs)." for key in others]

    @property
    def runs(self) -> dict[str, Run]:
        """Every node's run, by its name; those of a pipeline without faults."""
        return self._looked_at[0]

    @cached_property
    def _looked_at(self) -> tuple[dict[str, Run], list[str]]:
        """The runs of the nodes, each composed and built once, and what is wrong with those whose inputs are sound."""
        runs: dict[str, Run] = {}
        faults: list[str] = []
        # a second each, most of it Hydra's
        with track(len(self.nodes), "composing nodes", {}, quiet=not sys.stdout.isatty()) as progress:
            for number, name in enumerate(self.nodes, start=1):
                try:
                    runs[name] = self.run_of(name, runs)
                except ConfigError as error:
                    faults.append(words(error))
                    if any(name in self.node(other).makers for other in self.nodes):
                        break  # what takes from it cannot be looked at
                progress.update(number)
        return runs, faults

    def complete(self) -> bool:
        """Whether every node is done."""
        return all(run.done for run in self.runs.values())

    def node(self, name: str) -> Node:
        """A node: its own words before the command's, and those before what is common to all."""
        own, said = self.nodes[name], [key_of(word) for word in shared(self.overrides)]
        common = {key: value for key, value in self.common.get("choices", {}).items() if key_of(key) not in said}
        settings = dict(leaves(self.common.get("settings", {})))
        settings = {key: value for key, value in settings.items() if not any(overlap(key, word) for word in said)}
        settings |= dict(leaves(own.get("settings", {})))
        return Node(own["stage"], {**common, **own.get("choices", {})}, settings, own.get("inputs", {}))

    def run_of(self, name: str, before: Mapping[str, Run]) -> Run:
        """The run of a node, which takes what the runs `before` it make. Raises ConfigError."""
        try:
            node = self.node(name)
            config = node.compose(shared(self.overrides), self.artifacts(node, before))
            config.plan = self.plan_only
            own = Node(**self.nodes[name])
            return Run.of(config, [*own.choices, *dict(leaves(own.settings))])
        except ConfigError as error:
            remedy = error.remedy or f"(a word for this node alone begins with nodes.{name}.)"
            raise ConfigError(f"stage.nodes.{name}: {error.wrong}", error.found, remedy) from error

    def artifacts(self, node: Node, before: Mapping[str, Run]) -> dict[str, str]:
        """The references to what a node takes, by the keys that take them. Raises ConfigError."""
        taken = {}
        for key, source in node.inputs.items():
            maker, _, kind = source.rpartition(".")
            if maker not in before:
                there = ", ".join(before) or "nothing"
                raise ConfigError(
                    f"{key} is made by no node before it.", f"{source}; before it: {there}", "NODE.policy"
                )
            taken[key] = before[maker].output(kind)
        return taken

    def identity(self, config: Mapping[str, Any]) -> Any:
        """The addresses of all nodes: what decides none of their numbers does not decide the pipeline's."""
        return {name: run.address for name, run in self.runs.items()}

    def run(self, context: Context) -> None:
        """Does what is to do and says what came of it."""
        self.work(context)
        context.report(self.report())

    def work(self, context: Context) -> None:
        """Does what is to do, node by node; the same command goes on inside the node where it stopped."""
        done: dict[str, Run] = {}
        places = {name: str(run.root / run.name / run.address) for name, run in self.runs.items()}
        write_json_atomic(context.folder / "nodes.json", places)
        for number, name in enumerate(self.nodes, start=1):
            # looked at again: what it takes has a folder by now
            run = done[name] = self.run_of(name, done)
            context.say(f"\n[{number}/{len(self.nodes)}] {name}: stage={run.name} {run.address}: {state(run)}")
            self.finish(context, name, run, done)
            gc.collect()  # a module and its trainer know each other, and hold a model

    def finish(self, context: Context, name: str, run: Run, before: Mapping[str, Run]) -> None:
        """Does a node's work unless it is done, or waits for another process that is at it."""
        if run.done and run.resume != "never":
            return
        run.check_inputs()
        command = self.node(name).command(shared(self.overrides), self.artifacts(self.node(name), before))
        told = False
        while True:
            try:
                run.work(command)
                return
            except BusyError as error:
                if not told:
                    context.say(f"  waiting: {error.wrong} ({error.found})")
                told = True
            time.sleep(POLL_SECONDS)
            if run.done:
                return

    def report(self) -> str:
        """What came of every node, and the evaluations beside one another."""
        rows = [("node", "stage", "address", "minutes")]
        rows += [(name, run.name, run.address, f"{minutes(run):.1f}") for name, run in self.runs.items()]
        total = sum(minutes(run) for run in self.runs.values())
        rows.append(("all", "", "", f"{total:.1f}"))
        if not self.columns:
            return table(rows)
        found = {title: read_summary(self.runs[name]) for title, name in self.columns.items()}
        told = [table(rows), stages_table(found)]
        if self.gains:
            told.append(gains_table({f"{new} - {old}": self.gain(new, old) for new, old in self.gains.items()}))
        return "\n\n".join(told)

    def gain(self, new: str, old: str) -> dict[str, dict[str, float]]:
        """How much a column gains over another."""
        outcomes = [read_outcomes(self.runs[self.columns[title]].newest.folder) for title in (new, old)]
        return gains(*outcomes, self.runs[self.columns[new]].seed)

    def graph(self) -> str:
        """The graph: what every node takes, and whether it is done, goes on, or is to do, and why."""
        rows = [("node", "stage", "takes", "address", "state")]
        for name, run in self.runs.items():
            takes = dict.fromkeys(self.node(name).inputs.values())
            waits = [maker for maker in self.node(name).makers if not self.runs[maker].done]
            rows.append((name, run.name, ", ".join(takes) or "-", run.address, state(run, waits)))
        return table(rows)
