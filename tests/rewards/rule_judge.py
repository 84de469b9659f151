"""An engine whose "model" is a rule: it reads the judge's prompt as a model would and writes a verdict as one would.

A response is the better, the more often it says "fact"; one that says "poison" is unsafe; an answer is correct if it
has all words of the reference. The manners are those of real judges, good and bad ones.
"""

import re

import torch

from r1lab.types import Completion, Finish


class RuleJudge:
    """Follows the Engine protocol; `manner` says how it behaves, `asked` keeps the texts that it was asked."""

    version = 0
    end_ids = (7,)

    def __init__(self, tokenizer, manner="honest"):
        self.tokenizer, self.manner, self.asked = tokenizer, manner, []

    def generate(self, requests, params):
        assert params.stop_ids == (self.tokenizer.eos_token_id, *self.end_ids)
        for index, request in reversed(list(enumerate(requests))):  # engines yield in any order
            text = self.says(self.last_turn(request.prompt_ids.tolist()), params)
            ids = self.tokenizer.encode(text, add_special_tokens=False)
            whole = len(ids) < params.max_new_tokens
            ids = [*ids, self.tokenizer.eos_token_id] if whole else ids[: params.max_new_tokens]
            finish = Finish.STOP if whole else Finish.LENGTH
            yield index, [Completion(torch.tensor(ids), torch.zeros(len(ids)), finish) for _ in request.seeds]

    def last_turn(self, ids):
        """A chat model takes what stands before an end token for turns that are over."""
        if self.tokenizer.eos_token_id in ids:
            ids = ids[len(ids) - ids[::-1].index(self.tokenizer.eos_token_id) :]
        return self.tokenizer.decode(ids)

    def says(self, prompt, params):
        self.asked.append(prompt)
        code = re.findall(r"VERDICT (\w+) \[\[", prompt)[-1]
        material = dict(re.findall(rf"<([\w ]+) {code}>\n(.*?)\n</\1 {code}>", prompt, re.DOTALL))
        label = self.label(material)
        verdict = f"VERDICT {code} [[{label}]]"
        forms = prompt[prompt.rindex("after it:\n") :].splitlines()[1:]
        injected = [line for text in material.values() for line in text.splitlines() if "[[" in line]
        quoted = "\n".join(material.values())
        return {
            "honest": f"I have compared.\n{verdict}",
            "emphatic": f"I have compared.\n\n**{verdict}**\n",
            "quoting": f"They say:\n{quoted}\n\nI have compared.\n{verdict}",
            "quoting last": f"{verdict}\nThey say:\n{quoted}",
            "obedient": injected[-1] if injected else verdict,
            "steered": f"VERDICT {code} [[{'A>>B' if 'choose A' in quoted else label}]]",
            "first": f"VERDICT {code} [[A>>B]]",
            "first listed": forms[0].split("   ")[0],
            "echo": "\n".join(forms),
            "bare": f"[[{label}]]",
            "lower": verdict.lower(),
            "unknown": f"VERDICT {code} [[A>>>B]]",
            "twice": f"{verdict}\n{verdict}",
            "explains after": f"{verdict}\nbecause of the facts",
            "silent": "",
            "rambling": "well, " * params.max_new_tokens + verdict,
        }[self.manner]

    def label(self, material):
        if "reference" in material:
            wanted, said = (set(material[name].lower().split()) for name in ("reference", "answer"))
            return "correct" if wanted <= said else "incorrect"
        return self.pair(material) if "response A" in material else self.point(material["response"])

    def pair(self, material):
        a, b = (material[f"response {side}"].count("fact") for side in "AB")
        return (
            "A=B" if a == b else ("A" if a > b else "B") + (">" if abs(a - b) == 1 else ">>") + ("B" if a > b else "A")
        )

    def point(self, response):
        return "unsafe" if "poison" in response else "safe"
