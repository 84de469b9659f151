"""Values that depend on the scale or on the model: one row of a configuration file, with a column for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

SCALES = ("paper", "local", "small")
"""The columns of a row: the paper's value; that of a base trained here; that of a small model trained elsewhere."""
COLUMNS = {"base": "local", "small": "small"}
"""A model's size -> its column at local scale."""
OTHER = "other"
"""The column of ``by_model`` for every model that has none of its own."""


def column(scale: str, size: str) -> str:
    """Return the column that holds: the paper's at paper scale, else that of the model's size. Raises ValueError.

    >>> column("paper", "small"), column("local", "base"), column("local", "small")
    ('paper', 'local', 'small')
    """
    if scale == "paper":
        return "paper"
    if size not in COLUMNS:
        raise ValueError(f"size={size} has no column. Try size={' or size='.join(COLUMNS)}.")
    return COLUMNS[size]


def by_scale(row: Mapping[str, Any], *, _root_: DictConfig) -> Any:
    """Return the value of the scale in use: ``${by_scale:{paper:512, local:32, small:4}}``.

    Raises ValueError unless the row has a value for every scale.
    """
    if set(row) != set(SCALES):
        missing, unknown = set(SCALES) - set(row), set(row) - set(SCALES)
        raise ValueError(
            f"A row needs a value for each scale ({', '.join(SCALES)}): "
            + "; ".join(
                f"{what} {', '.join(map(str, sorted(names, key=str)))}"
                for what, names in (("missing", missing), ("unknown", unknown))
                if names
            )
        )
    return _node(row[column(_root_.scale, _root_.size)])


def by_model(row: Mapping[str, Any], *, _root_: DictConfig) -> Any:
    """Return the value of the model in use: ``${by_model:{llama3_1_8b:5.0e-5, other:1.0e-5}}``.

    Raises ValueError where neither the model nor `other` has a column.
    """
    if OTHER not in row:
        raise ValueError(f"A row by model needs a value for every {OTHER} model; it names {', '.join(map(str, row))}.")
    return _node(row.get(_root_.model.name, row[OTHER]))


def register() -> None:
    """Makes both resolvers known to OmegaConf."""
    OmegaConf.register_new_resolver("by_scale", by_scale, replace=True)
    OmegaConf.register_new_resolver("by_model", by_model, replace=True)


def _node(value: Any) -> Any:
    return OmegaConf.create(value) if isinstance(value, (dict, list)) else value
