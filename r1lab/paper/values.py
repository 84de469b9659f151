"""The values that the paper reports, by stage and key; N: Nature, Methods; v2: appendices of arXiv 2501.12948v2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reported:
    """A value of the paper, where it stands there, and why ours is another at scale=paper, where it is."""

    value: Any
    """A tuple: any of these, where the paper leaves it open or can be read in several ways."""
    source: str
    why: str = ""

    def agrees(self, found: Any) -> bool:
        """Whether it is what was found.

        >>> Reported((2, 3), "v2, B.4.2").agrees(3), Reported(1700, "N").agrees(1696)
        (True, False)
        """
        return found in self.value if isinstance(self.value, tuple) else found == self.value


def _all(source: str, values: Mapping[str, Any]) -> dict[str, Reported]:
    return {key: Reported(value, source) for key, value in values.items()}


_RL = _all("N, R1-Zero", {
    "optim.lr": 3e-6, "objective.kl.coef": 0.001, "plan.group_size": 16, "plan.questions": 512,
    "plan.minibatches": 16, "plan.inner_epochs": 1, "plan.temperature": 1.0, "ref_refresh_steps": 400,
    "rewards.accuracy.weight": 1.0, "rewards.format.weight": 1.0,
})  # fmt: skip
_QUESTIONS = _all("v2, Table 4", {"mix.weights.math": 26, "mix.weights.stem": 22, "mix.weights.logic": 15}) | {
    "mix.weights.code": Reported((17, 25), "v2, Table 4; 8 more of bug fixing in B.3.1")
}
_FIRST = _RL | _all("N, first RL stage", {
    "plan.max_new_tokens": 32768, "objective.surrogate.clip_high": 10.0, "rewards.language.weight": 1.0,
})  # fmt: skip
_PHASES = "1,696 steps are the whole phases of 16 in 1,700, and a phase is not cut"
_SECOND = {
    "max_steps": Reported(1700, "N, second RL stage", _PHASES),
    **{
        f"rewards.{name}.weight": Reported([[0, 0.0], [1300, 1.0]], "N, second RL stage: the last 400 steps", _PHASES)
        for name in ("helpful", "harmless")
    },
    "plan.temperature": Reported(0.7, "N, second RL stage"),
    "mix.weights.helpful": Reported(
        ([[0, 0], [1300, 54]], [[0, 0], [1300, 66]]), "v2, Table 4: 66 with the harmless; B.3.1: without", _PHASES
    ),
    "mix.weights.harmless": Reported([[0, 0], [1300, 12]], "v2, B.3.1", _PHASES),
}
_SFT = _all("v2, B.4.2", {
    "optim.lr": 5e-5, "final_lr_share": 0.1, "epochs": (2, 3), "batch_size": 128, "row_tokens": 32768,
})  # fmt: skip
_REWARD_MODEL = _all("N, reward design", {"batch_size": 256, "optim.lr": 6e-6, "epochs": 1})
_LONGEST = "N, reward design: 8,192 tokens"
_EVALUATION = _all("v2, D.1", {
    "evaluation.temperature": 0.6, "evaluation.top_p": 0.95, "evaluation.max_new_tokens": 32768,
})  # fmt: skip
_SAMPLES = {"aime": 64, "gpqa": 64, "math": 16, "codeforces": 16, "livecodebench": 8}
_DISTILLED = {
    "qwen2_5_math_1_5b": 1e-4, "qwen2_5_math_7b": 8e-5, "qwen2_5_14b": 7e-5, "qwen2_5_32b": 6e-5,
    "llama3_1_8b": 5e-5, "llama3_3_70b": 2e-5,
}  # fmt: skip
_DECONTAMINATED = "+filter@mix.filters.decontaminate=decontaminate"

TABLE: Mapping[str, Mapping[str, Reported]] = {
    "stage=r1zero": {
        **_RL,
        **_QUESTIONS,
        "plan.max_new_tokens": Reported([[0, 32768], [8200, 65536]], "N, R1-Zero"),
        "max_steps": Reported(10400, "N, R1-Zero"),
    },
    "stage=r1zero model=qwen2_5_32b": {
        **_all("v2, B.4.1", {"optim.lr": 2e-6, "plan.max_new_tokens": 32768}),
        "mix.weights.logic": Reported(0, "v2, F.1: mathematics, code and STEM"),
    },
    "stage=rl_reasoning": {**_FIRST, **_QUESTIONS},
    "stage=rl_all_scenarios": {**_FIRST, **_QUESTIONS, **_SECOND},
    "stage=cold_start_data": _all("v2, B.3.2", {"plan.temperature": 1.0}),
    "stage=helpful_pairs": _all("N, reward design", {
        "plan.questions": 66000, "product.least": 1.0, "product.judge.rounds": 2, "product.scope.reads": "summary",
    }),
    "stage=safety_labels": _all("N, reward design", {"plan.questions": 106000, "product.scope.reads": "response"}),
    "stage=reward_helpful": {**_REWARD_MODEL, "text_tokens": Reported(8192, _LONGEST)},
    "stage=reward_safety": {**_REWARD_MODEL, "max_tokens": Reported(8192, _LONGEST)},
    "stage=sft_cold_start": _SFT,
    "stage=sft_800k": _SFT,
    "stage=distill": _SFT | _all("v2, B.4.3", {"batch_size": 64}),
    **{f"stage=distill model={name}": _all("v2, Table 6", {"optim.lr": lr}) for name, lr in _DISTILLED.items()},
    "stage=evaluate": _EVALUATION,
    **{f"stage=evaluate evaluation=paper_{name}": _all("v2, D.1", {"evaluation.samples": k})
       for name, k in _SAMPLES.items()},
    **{f"stage={stage} {_DECONTAMINATED}": _all("v2, D.1", {"mix.filters.decontaminate.ngram": 10})
       for stage in ("r1zero", "rl_reasoning", "rl_all_scenarios")},
}  # fmt: skip
"""The words of a command -> keys of its stage -> what the paper reports; what more words say goes before fewer."""


def reported(words: Iterable[str]) -> dict[str, Reported]:
    """What the paper reports of a stage, given all words that choose something in it.

    >>> reported(["stage=r1zero", "model=qwen2_5_32b"])["optim.lr"].value
    2e-06
    """
    said, found = set(words), {}
    for chosen, values in sorted(TABLE.items(), key=lambda item: len(item[0].split())):
        found |= values if said.issuperset(chosen.split()) else {}
    return found
