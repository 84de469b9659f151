"""Python code that a model brings along: run only where it is trusted, and refused in words where nothing else will do.

transformers asks on standard input whether to run it, so that `yes |` runs anything. r1lab never lets it ask.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from r1lab.errors import ModelError

AUTO_CLASSES = {"policy": "AutoModelForCausalLM", "reward_model": "AutoModelForSequenceClassification"}
CONFIG, TOKENIZER_CONFIG = "config.json", "tokenizer_config.json"
REMEDY = (
    "Read that code. If you trust it, set trust_remote_code=true beside the source "
    "(model.published.trust_remote_code=true): it then runs with your rights."
)


def check_code(source: str, revision: str | None = None, kind: str = "policy") -> None:
    """A model that transformers can load with its own classes alone. Raises ModelError for one that it cannot."""
    if needed := needed_code(source, revision, kind):
        raise ModelError("The model needs Python code of its own, which is not run.", f"{source}: {needed}", REMEDY)


def needed_code(source: str, revision: str | None = None, kind: str = "policy") -> str:
    """Where a model's files name code that transformers has no class for; "" where none is needed.

    Published models such as DeepSeek-V3 bring code for what transformers has by now: that code is not needed.
    """
    config, tokenizer = (read_json(source, name, revision) for name in (CONFIG, TOKENIZER_CONFIG))
    named, splits = auto_map(config), auto_map(tokenizer)
    if not named and not splits:
        return ""
    # seconds to import, so only where a file names code
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    )
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, tokenizer_class_from_name

    heads = {"policy": MODEL_FOR_CAUSAL_LM_MAPPING_NAMES}.get(kind, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES)
    family = str(config.get("model_type"))
    if "AutoConfig" in named and family not in CONFIG_MAPPING_NAMES:
        return f"{CONFIG} names {named['AutoConfig']}, and transformers knows no model_type {family}"
    if (auto := AUTO_CLASSES[kind]) in named and family not in heads:
        return f"{CONFIG} names {named[auto]}, and transformers has no {auto} of {family}"
    declared = tokenizer.get("tokenizer_class") or config.get("tokenizer_class")
    known = tokenizer_class_from_name(str(declared)) if declared else TOKENIZER_MAPPING_NAMES.get(family)
    if splits and known is None:
        return f"{TOKENIZER_CONFIG} names {splits['AutoTokenizer']}, and transformers knows no tokenizer {declared}"
    return ""


def named_code(source: str) -> str:
    """The code that a model's files name, needed or not; "" where they name none."""
    named = {value for name in (CONFIG, TOKENIZER_CONFIG) for value in auto_map(read_json(source, name)).values()}
    return ", ".join(sorted(named))


def auto_map(config: Mapping[str, Any]) -> dict[str, str]:
    """Auto class of transformers -> the code that a file names for it, in any of the forms that transformers reads.

    >>> auto_map({"auto_map": ["tok.Slow", None]})
    {'AutoTokenizer': 'tok.Slow'}
    """
    named = config.get("auto_map") or {}
    named = named if isinstance(named, Mapping) else {"AutoTokenizer": named}
    each = {auto: one if isinstance(one, list) else [one] for auto, one in named.items()}
    texts = {auto: ", ".join(str(name) for name in names if name) for auto, names in each.items()}
    return {auto: text for auto, text in texts.items() if text}


def read_json(source: str, name: str, revision: str | None = None) -> dict[str, Any]:
    """A file of a folder, or of a hub id in the local cache; empty where it is not there or is no JSON mapping."""
    path = Path(source) / name
    if not Path(source).is_dir():
        from huggingface_hub import try_to_load_from_cache

        try:
            path = try_to_load_from_cache(source, name, revision=revision)
        except ValueError:  # no hub id
            return {}
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
