"""What the stages share that begin with a policy: data checked first, the model loaded once, all ranks at work."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from r1lab.engines.choices import TorchSampler
from r1lab.processes import together
from r1lab.stages.base import Context, Stage
from r1lab.stages.compared import compare_once
from r1lab.stages.policy import ModelChoice
from r1lab.training.strategy import Strategy

SAMPLER = TorchSampler(max_rows=8)
"""Compared where a stage does not sample itself: what it trains is sampled from later."""


class PolicyStage(Stage):
    """Reads data, checks it, loads the model, compares it with itself, works: on every process of a machine alike.

    What is wrong with the data is said before a base is trained or a model is loaded, by the first process.
    """

    imports: ClassVar[tuple[str, ...]]
    """What takes seconds to import, and every rank needs."""

    policy: ModelChoice
    strategy: Strategy

    def read(self) -> Any:
        """What it works on; every rank reads it. Raises DataError."""
        raise NotImplementedError

    def check(self, context: Context, data: Any) -> None:
        """Raises what is wrong with the data, as far as it can be seen without the model, and says what is doubtful."""

    def ready(self, context: Context, data: Any, model: Any, tokenizer: Any) -> Any:
        """What is worked on, once it is known what the model can take. Raises what does not fit.

        The first process does it while the others of its machine wait; then they do.
        """
        return data

    def longest_text(self, data: Any, tokenizer: Any) -> float:
        """Tokens of the longest text that the model may see in this run, prompt and response together."""
        raise NotImplementedError

    def compare(self, context: Context, data: Any, model: Any, tokenizer: Any) -> None:
        """Raises ModelError where engine, trainer and a plain forward of the model disagree; the first process does."""
        engine, longest = getattr(self, "engine", SAMPLER), self.longest_text(data, tokenizer)
        compare_once(context, self.policy, self.strategy, engine, model, tokenizer, longest)

    def work(self, context: Context, data: Any, model: Any, tokenizer: Any) -> Any:
        """Trains or samples from wherever the run stands, on all ranks."""
        raise NotImplementedError

    def finish(self, context: Context, data: Any, worked: Any) -> None:
        """Stores and reports what came of it; the first process alone."""
        raise NotImplementedError

    def run(self, context: Context) -> None:
        """All of that, in this order."""
        context.say(self.policy.describe())
        self.policy.prepare(context, lambda: self.check(context, self.read()))
        # first of all, so that the others import what this process does, at the same time
        with together(partial(self.run, context.of_others()), self.strategy.local_size, imports=self.imports) as meet:
            self.strategy.set_threads()
            data = self.read()
            if context.first_rank:
                self.check(context, data)
            else:
                meet()  # until what is missing has been made, once
            model, tokenizer = self.policy.obtain(context)
            data = self.ready(context, data, model, tokenizer)
            if context.first_rank:
                self.compare(context, data, model, tokenizer)
                meet()
            worked = self.work(context, data, model, tokenizer)
        if context.first_rank:
            self.finish(context, data, worked)
