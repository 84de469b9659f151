"""`stage=explain`: what a stage would compute, as an equation with its numbers, and where it is not the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf

from r1lab.config.build import build, words
from r1lab.config.nodes import Node, shared
from r1lab.errors import ConfigError
from r1lab.stages.base import Context, Stage
from r1lab.text.columns import table


@dataclass(frozen=True)
class ExplainStage(Stage):
    """Explains another stage with the words of this command; nothing is run."""

    of: str
    """A file of conf/stage."""
    overrides: Sequence[str]
    """The words of the command."""

    def faults(self) -> list[str]:
        """The stage to explain is sound."""
        try:
            self.composed(shared(self.overrides))
        except ConfigError as error:
            return [words(error)]
        return []

    def composed(self, overrides: Sequence[str]) -> dict[str, Any]:
        """The resolved configuration of the stage. Raises ConfigError."""
        return OmegaConf.to_container(Node(self.of).compose(overrides, {}).stage, resolve=True, enum_to_str=True)

    def identity(self, config: Mapping[str, Any]) -> Any:
        """What it explains, resolved: another number is another explanation."""
        return self.composed(shared(self.overrides))

    def run(self, context: Context) -> None:
        """Prints the equation and the departures."""
        from r1lab.diagnosis.explain import departures, equation

        here = self.composed(shared(self.overrides))
        model = [word for word in shared(self.overrides) if word.startswith("model=")]
        paper = self.composed([*model, "scale=paper"])
        faults: list[str] = []
        parts = {name: build(here[name], name, faults) for name in ("objective", "optim") if name in here}
        told = [f"stage={self.of}"]
        if "objective" in parts:
            told += ["", equation(parts["objective"], parts["optim"])]
        rows = [("value", "paper", "here"), *departures(here, paper)]
        told += [
            "",
            f"{len(rows) - 1} values are not those of scale=paper:" if rows[1:] else "All values are the paper's.",
        ]
        told += [table(rows)] if rows[1:] else []
        context.report("\n".join(told))
