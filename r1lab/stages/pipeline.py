"""A stage made of stages: each node is an ordinary run, found by its address, and done only where it is not done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from r1lab.config.build import binding_faults, words
from r1lab.config.nodes import Node, leaves, shared
from r1lab.disk import write_json_atomic
from r1lab.errors import ConfigError
from r1lab.evaluation.report import stages_table
from r1lab.processes import num_launched
from r1lab.stages.base import Context, Stage
from r1lab.stages.plan import minutes, read_summary, state, table
from r1lab.stages.run import Run


@dataclass(frozen=True)
class Pipeline(Stage):
    """Nodes in the order in which they run; what a node takes is made by one before it.

    On a cluster the nodes are to become jobs that wait for one another: each has a command and an address of its own,
    and hands on nothing but artifacts.
    """

    nodes: Mapping[str, Mapping[str, Any]]
    """The fields of each `Node`, by its name."""
    common: Mapping[str, Any]
    """Choices and settings of every node, unless its own say otherwise."""
    columns: Mapping[str, str]
    """The evaluations that are shown beside one another at the end: a title and the node of each."""
    overrides: Sequence[str]
    """The words of the command: what speaks of no node holds for all of them."""

    def faults(self) -> list[str]:
        """What is wrong with any node, before the first one begins."""
        if num_launched() > 1:
            return [f"A pipeline starts its processes itself, node by node; {num_launched()} were started. Start one."]
        faults = list(binding_faults(Node, self.common, "stage.common", True))
        for name, node in self.nodes.items():
            faults += binding_faults(Node, node, f"stage.nodes.{name}", False)
        faults += [
            f"stage.columns.{title}={name}: there is no such node."
            for title, name in self.columns.items()
            if name not in self.nodes
        ]
        if not faults:
            try:
                assert self.runs
            except ConfigError as error:
                faults = [words(error)]
        return faults

    @cached_property
    def runs(self) -> dict[str, Run]:
        """Every node's run, by its name. Raises ConfigError with what is wrong with the first that cannot run."""
        runs: dict[str, Run] = {}
        for name in self.nodes:
            runs[name] = self.run_of(name, runs)
        return runs

    def node(self, name: str) -> Node:
        """A node, with what is common to all behind its own."""
        own = self.nodes[name]
        choices = {**self.common.get("choices", {}), **own.get("choices", {})}
        settings = {**dict(leaves(self.common.get("settings", {}))), **dict(leaves(own.get("settings", {})))}
        return Node(own["stage"], choices, settings, own.get("inputs", {}))

    def run_of(self, name: str, before: Mapping[str, Run]) -> Run:
        """The run of a node, which takes what the runs `before` it make. Raises ConfigError."""
        try:
            node = self.node(name)
            return Run.of(node.compose(shared(self.overrides), self.artifacts(node, before)))
        except ConfigError as error:
            raise ConfigError(f"stage.nodes.{name}: {error.wrong}", error.found, error.remedy) from error

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
        """Does what is to do, node by node; the same command goes on inside the node where it stopped."""
        done: dict[str, Run] = {}
        places = {name: str(run.root / run.name / run.address) for name, run in self.runs.items()}
        write_json_atomic(context.folder / "nodes.json", places)
        for number, name in enumerate(self.nodes, start=1):
            # looked at again, for what it takes has a folder by now
            run = done[name] = self.run_of(name, done)
            context.say(f"\n[{number}/{len(self.nodes)}] {name}: stage={run.name} {run.address}: {state(run)}")
            if run.done and run.config["run"]["resume"] != "never":
                continue
            run.check_inputs()
            node = self.node(name)
            with run.open(node.command(shared(self.overrides), self.artifacts(node, done))) as record:
                run.work(record)
        context.report(self.report())

    def report(self) -> str:
        """What came of every node, and the evaluations beside one another."""
        rows = [("node", "stage", "address", "minutes")]
        rows += [(name, run.name, run.address, f"{minutes(run):.1f}") for name, run in self.runs.items()]
        total = sum(minutes(run) for run in self.runs.values())
        rows.append(("all", "", "", f"{total:.1f}"))
        if not self.columns:
            return table(rows)
        found = {title: read_summary(self.runs[name]) for title, name in self.columns.items()}
        return f"{table(rows)}\n\n{stages_table(found)}"

    def graph(self) -> str:
        """The graph: what every node takes, and whether it is done, goes on, or is to do, and why."""
        rows = [("node", "stage", "takes", "address", "state")]
        for name, run in self.runs.items():
            takes = self.node(name).inputs.values()
            makers = (source.rpartition(".")[0] for source in takes)
            waits = [maker for maker in makers if not self.runs[maker].done]
            rows.append((name, run.name, ", ".join(takes) or "-", run.address, state(run, waits)))
        return table(rows)
