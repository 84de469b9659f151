"""The nodes of a pipeline: each is what a command of its own would run, composed from the same files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from r1lab.errors import ConfigError

OWN = ("stage", "experiments", "sweeps", "plan", "hydra", "run.name")
"""Keys of a command that speak of the pipeline itself; all others hold for every node."""
OF_ALL = ("stage", "run.root", "run.name", "plan", "scale")
"""What a pipeline has one of, or its file names."""
SHORT = "nodes."
"""What a word of the command line begins with that is for one node: ``nodes.r1.stage.plan.temperature=0.8``."""


@dataclass(frozen=True)
class Node:
    """One node: a file of conf/stage with its choices, its settings, and what it takes from the nodes before it.

    Example: ``Node("rl_reasoning", inputs={"model.weights": "dev1.policy"})``.
    """

    stage: str
    choices: Mapping[str, str | None] = field(default_factory=dict)
    """Files of other groups, as a command names them: ``{"model": "qwen2_5_0_5b"}``; None where there is no value."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Values that are other than in these files, as a tree."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """The keys that take an artifact -> the node that makes it and its kind."""

    @property
    def makers(self) -> list[str]:
        """The nodes that it takes something from."""
        return list(dict.fromkeys(source.rpartition(".")[0] for source in self.inputs.values()))

    def words(self, overrides: Sequence[str]) -> list[str]:
        """A command of its own, but for settings and inputs, with what holds for every node.

        >>> Node("r1zero", {"model": "v3base"}).words(["model=folder", "run.seed=3"])
        ['stage=r1zero', 'model=v3base', 'run.seed=3', 'run.name=r1zero']
        """
        own = {"stage": self.stage, **self.choices}
        others = [word for word in overrides if word.partition("=")[0] not in own]
        chosen = (key if value is None else f"{key}={value}" for key, value in own.items())
        return [*chosen, *others, f"run.name={self.stage}"]

    def command(self, overrides: Sequence[str], artifacts: Mapping[str, str]) -> list[str]:
        """The words of a command that runs this node alone."""
        return [*self.words(overrides), *assignments(self.settings), *assignments(artifacts)]

    def compose(self, overrides: Sequence[str], artifacts: Mapping[str, str]) -> DictConfig:
        """The configuration, with the artifacts at the keys that take them.

        Raises ConfigError: a choice or a key does not exist.
        """
        from hydra.errors import HydraException

        try:
            config = deepcopy(_composed(tuple(self.words(overrides))))
            for key, value in [*self.settings.items(), *artifacts.items()]:
                OmegaConf.update(config, key, value, merge=True)
        except (HydraException, OmegaConfBaseException) as error:
            found = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
            raise ConfigError("It cannot be composed.", found, "Look at its choices and settings.") from error
        return config


def shared(overrides: Sequence[str]) -> list[str]:
    """What of a pipeline's command holds for every node.

    >>> shared(["stage=r1", "model=v3base", "run.seed=3", "++stage.nodes.r1.settings.stage.plan.temperature=0.8"])
    ['model=v3base', 'run.seed=3']
    """
    of_all = (word for word in overrides if not any(_speaks_of(word, key) for key in OWN))
    # a node that was never begun has nothing to resume
    return [word for word in of_all if word != "run.resume=always"]


def key_of(word: str) -> str:
    """What a word of a command sets or chooses.

    >>> key_of("+reward@rewards.language=language"), key_of("~stage.filters.finished")
    ('reward@rewards.language', 'stage.filters.finished')
    """
    return word.lstrip("+~").partition("=")[0]


def overlap(key: str, other: str) -> bool:
    """Whether two keys are the same, or one stands within the other.

    >>> overlap("stage.plan.questions", "stage.plan"), overlap("stage.plan", "stage.planned")
    (True, False)
    """
    return key == other or key.startswith(f"{other}.") or other.startswith(f"{key}.")


def written_out(word: str) -> str:
    """A word for one node in the words of the configuration; any other as it is. Raises ConfigError.

    >>> written_out("nodes.r1.stage.plan.temperature=0.8")
    '++stage.nodes.r1.settings.stage.plan.temperature=0.8'
    >>> written_out("nodes.r1.objective=dapo")
    '++stage.nodes.r1.choices.objective=dapo'
    """
    if not word.lstrip("+~").startswith(SHORT):
        return word
    name, _, rest = word.lstrip("+~").removeprefix(SHORT).partition(".")
    if word.startswith("~"):
        raise ConfigError(
            "Nothing can be taken from one node on the command line.",
            word,
            f"nodes.{name}.{key_of(rest)}=null, where null will do",
        )
    if key_of(rest) in OF_ALL:
        raise ConfigError(
            f"No node has a {key_of(rest)} of its own.", word, "Another stage is another node, in a file."
        )
    if "@" in rest.partition("=")[0]:
        raise ConfigError(
            "A choice with a place cannot be made for one node on the command line.",
            word,
            f"In an experiment file: stage: {{nodes: {{{name}: {{choices: {{{rest.replace('=', ': ')}}}}}}}}}",
        )
    kind = "settings" if "." in rest.partition("=")[0] else "choices"
    return f"++stage.nodes.{name}.{kind}.{rest}"


def leaves(tree: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """(key, value) of every setting.

    >>> dict(leaves({"optim": {"lr": [[0, 1.0], [9, 0.1]]}, "stage": {"plan": {"questions": 8}}}))
    {'optim.lr': [[0, 1.0], [9, 0.1]], 'stage.plan.questions': 8}
    """
    for key, value in tree.items():
        path = f"{place}.{key}" if place else key
        if isinstance(value, Mapping) and value:
            yield from leaves(value, path)
        else:
            yield path, value


def assignments(tree: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """The words of a command that set what a tree sets; a part (a mapping with a `_target_`) is one word.

    >>> list(assignments({"optim": {"lr": {"_target_": "a.Warmup", "steps": 5, "then": 1.0}}, "run": {"seed": None}}))
    ['optim.lr={_target_:a.Warmup,steps:5,then:1.0}', 'run.seed=null']
    """
    for key, value in tree.items():
        path = f"{place}.{key}" if place else key
        if isinstance(value, Mapping) and value and "_target_" not in value:
            yield from assignments(value, path)
        else:
            yield f"{path}={typed(value)}"


def typed(value: Any) -> str:
    """A value as a word of a command has it.

    >>> typed([[0, 1.0], [9, None]]), typed({"a": True})
    ('[[0,1.0],[9,null]]', '{a:true}')
    """
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{typed(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(typed, value)) + "]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)


@cache
def _composed(overrides: tuple[str, ...]) -> DictConfig:
    """What a command with these words composes: half a second, and many nodes have the same."""
    from hydra import compose

    return compose("config", overrides=list(overrides))


def _speaks_of(word: str, key: str) -> bool:
    named = key_of(word).partition("@")[0]
    return named == key or named.startswith((f"{key}.", f"{key}/"))
