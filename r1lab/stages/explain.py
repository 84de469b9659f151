"""`stage=explain`: what a stage would compute, as an equation with its numbers, and where it is not the paper's.

With `stage.key=KEY`: where one value comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from r1lab.config.build import built_without_calls, words
from r1lab.config.nodes import Node, shared
from r1lab.config.origins import followed, origins
from r1lab.errors import ConfigError
from r1lab.paper.values import reported
from r1lab.stages.base import Context, Stage
from r1lab.text.columns import table


@dataclass(frozen=True)
class ExplainStage(Stage):
    """Explains another stage with the words of this command; nothing is run."""

    of: str
    """A file of conf/stage."""
    overrides: Sequence[str]
    """The words of the command."""
    key: str | None = None
    """A key, as a command names it; None explains the whole stage."""

    def faults(self) -> list[str]:
        """The stage to explain is sound, and has values of its own."""
        try:
            found = self.composed(shared(self.overrides))
        except ConfigError as error:
            return [words(error)]
        if self.key:
            try:
                followed(self.whole(shared(self.overrides)), self.key)
            except ConfigError as error:
                return [words(error)]
            return []
        stages = sorted({node["stage"] for node in (found.get("nodes") or {}).values() if node})
        return [f"stage.of={self.of} is made of other stages. Explain one: {', '.join(stages)}."] if stages else []

    def composed(self, overrides: Sequence[str]) -> dict[str, Any]:
        """The resolved configuration of the stage. Raises ConfigError."""
        return OmegaConf.to_container(self.whole(overrides).stage, resolve=True, enum_to_str=True)

    def whole(self, overrides: list[str]) -> DictConfig:
        """The configuration of a command that runs the stage. Raises ConfigError."""
        return Node(self.of).compose(overrides, {})

    def identity(self, config: Mapping[str, Any]) -> Any:
        """What it explains, resolved: another number is another explanation."""
        return {"stage": self.composed(shared(self.overrides)), "key": self.key}

    def run(self, context: Context) -> None:
        """Prints the equation, what is not as the paper reports it, and what else is not as at scale=paper."""
        from r1lab.diagnosis.explain import departures, equation, unlike_paper

        if self.key:
            context.report(self.origin(self.key))
            return
        said = shared(self.overrides)
        here = self.composed(said)
        # where a run lies is no departure
        paper = self.composed([*(word for word in said if word.startswith(("model=", "run."))), "scale=paper"])
        known = reported([f"stage={self.of}", *said, *named(here)])
        faults: list[str] = []
        parts = built_without_calls({name: here[name] for name in ("objective", "optim") if name in here}, faults)
        told = [f"stage={self.of}"]
        if "objective" in parts:
            told += ["", equation(parts["objective"], parts["optim"])]
        others = list(unlike_paper(here, known))
        if others:
            rows = [("value", "paper", "here", "where, and why"), *others]
            told += [
                "",
                f"Other than the paper's, of the {len(known)} values that it reports: {len(others)}",
                table(rows),
            ]
        elif known:
            told += ["", f"The {len(known)} values that the paper reports are the paper's."]
        else:
            told += ["", "The paper reports no value of this stage."]
        rest = [row for row in departures(here, paper) if row[0] not in known]
        if rest:
            rows = [("value", "scale=paper", "here"), *rest]
            told += ["", f"Other than those of scale=paper, besides: {len(rest)}", table(rows)]
        told += ["", 'Where the paper is silent, the files in conf/ say "ours".']
        context.report("\n".join(told))

    def origin(self, key: str) -> str:
        """The value of a key, every line and word that sets it, and what the paper reports."""
        from r1lab.diagnosis.explain import from_where

        said = shared(self.overrides)
        config, node = self.whole(said), Node(self.of)
        place = followed(config, key)
        value = OmegaConf.select(config, place)
        plain = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        scale = f"scale={config.scale}" + (f", size={config.size}" if config.scale == "local" else "")
        known = reported([f"stage={self.of}", *said, *named(self.composed(said))])
        return from_where(
            place, plain, scale, origins(place, node.words(said)), known.get(place.removeprefix("stage."))
        )


def named(stage: Mapping[str, Any]) -> list[str]:
    """The word that chooses the model of a stage, where it has one."""
    return [f"model={stage['policy']['name']}"] if "policy" in stage else []
