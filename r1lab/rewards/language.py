"""Is the reasoning in the language of the question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from r1lab.rewards.rubric import Reward, Weight
from r1lab.text.identify import Identifier
from r1lab.text.language import SCRIPTS, language_words, primary, share_of
from r1lab.types import Rollout, Score, Status


@dataclass(frozen=True)
class LanguageReward(Reward):
    """Words of the reasoning in the question's language over all its words (Nature, Eq. 7).

    What a word is and what counts as none stands in ``text/words.py``. Where there is no think block, the whole
    response is the reasoning. A question in a language that is not known is a fault of the data: BAD_GOLD.

    Example: "Let us add: 六加三等于九。" to an English question has three words in English and four in Chinese: 0.43.
    """

    weight: Weight
    identify: Identifier
    """Tells languages of one script apart."""
    no_words: float
    """Value of a reasoning without any word: nothing but formulas, or nothing at all."""
    knows_gold: ClassVar[bool] = False
    """Solutions of data sets are not always in the language of the question."""

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Score]:
        return [self._score(rollout) for rollout in rollouts]

    def _score(self, rollout: Rollout) -> Score:
        target = primary(rollout.question.language)
        if target not in SCRIPTS:
            return Score(0.0, Status.BAD_GOLD, f"the question's language {rollout.question.language!r} is not known")
        reasoning = rollout.response.reasoning
        words = language_words(rollout.response.text if reasoning is None else reasoning, target, self.identify)
        share = share_of(words, target)
        if share is None:
            return Score(self.no_words, reason="no words")
        return Score(share, reason=_described(words))


def _described(words: Mapping[str, float]) -> str:
    """Words of each language, the most first: "words: 40 zh, 3 latin"."""
    ordered = sorted(words.items(), key=lambda item: -item[1])
    return "words: " + ", ".join(f"{count:,.0f} {language}" for language, count in ordered)
