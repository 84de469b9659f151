"""Demonstrations: questions with responses to be learned, a file of them, and the samples that they become.

A file is never held in memory: 800,000 responses of the paper's second SFT have 4.3 billion tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from r1lab.characters import NO_UTF8, all_valid
from r1lab.data.cells import RowFault, described, text_of
from r1lab.data.messages import Message, before_of, is_messages, joined, listed, messages_of, with_thought
from r1lab.data.rows import first_of, object_of
from r1lab.data.template import Template
from r1lab.disk import replacing
from r1lab.errors import DataError
from r1lab.functional.rng import permutation, seed_of
from r1lab.types import Demonstration, Question, TrainingSample

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FILE = "demonstrations.jsonl"
"""The name of the file in an artifact's folder."""


def write_demonstrations(path: Path, rows: Iterable[Demonstration]) -> int:
    """Writes demonstrations as `read_demonstrations` finds them; returns how many."""
    return write_rows(path, map(asdict, rows))


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Writes one JSON line for each row, whole or not at all; returns how many."""
    with replacing(path) as beside, beside.open("w", encoding="utf-8") as file:
        lines = (file.write(json.dumps(row, ensure_ascii=False) + "\n") for row in rows)
        return sum(1 for _ in lines)


@dataclass(frozen=True, eq=False)
class Demonstrations(Sequence[Demonstration]):
    """The demonstrations of several files, read from disk one by one; made by `read_demonstrations`."""

    places: Sequence[tuple[Path, int]]
    """File and offset of each line."""

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Demonstration:
        path, offset = self.places[index]
        with path.open("rb") as file:
            file.seek(offset)
            return demonstration_of(file.readline(), f"{path}, byte {offset}")


def read_demonstrations(folders: Iterable[str | Path]) -> Demonstrations:
    """What lies in artifact folders or JSONL files, one after the other.

    Raises DataError: no such file, or none in it; a line that cannot be read. Of an artifact, which r1lab wrote, the
    first and the last line are read, of other files all.
    """
    places: list[tuple[Path, int]] = []
    for source in map(Path, folders):
        path = demonstrations_file(source)
        _require_lines(path)
        if not path.is_file():
            remedy = "stage.data.NAME=artifact:demonstrations/ADDRESS, or a JSONL file"
            raise DataError("There are no demonstrations.", str(path), remedy)
        offsets = list(_offsets(path))
        if not offsets:
            raise DataError("The file of demonstrations is empty.", str(path), "Loosen the filters that made it.")
        found = Demonstrations([(path, offset) for offset in offsets])
        if source.is_dir():
            found[0], found[-1]
        else:
            check_demonstrations(path)
        places += found.places
    return Demonstrations(places)


CONVERTERS = {
    ".parquet": (
        "import json, sys, pyarrow.parquet as p; [print(json.dumps(row, default=str)) for part in "
        "p.ParquetFile(sys.argv[1]).iter_batches() for row in part.to_pylist()]"
    ),
    ".gz": "import gzip, sys; sys.stdout.writelines(gzip.open(sys.argv[1], 'rt', encoding='utf-8'))",
    ".json": "import json, sys; [print(json.dumps(row)) for row in json.load(open(sys.argv[1], encoding='utf-8-sig'))]",
}
"""Programs that print a file of another kind as JSON lines; ".json" is one list, whatever its name."""


def _require_lines(path: Path) -> None:
    """Lines are read in any order. Raises DataError for a file of another kind, with the command that converts it."""
    if not path.is_file() or not (kind := _other_kind(path)):
        return
    stem = path.name.removesuffix(path.suffix).removesuffix(".jsonl")
    lines = path.with_name(f"{stem}.lines.jsonl" if path.suffix == ".jsonl" else f"{stem}.jsonl")
    command = f'python -c "{CONVERTERS[kind]}" {quote(str(path))} > {quote(str(lines))}'
    raise DataError("Demonstrations are read from JSON lines alone.", str(path), f"{command}, and name that file")


def _other_kind(path: Path) -> str:
    """The kind of a file that has no JSON lines, "" where it has."""
    if path.suffix in (".parquet", ".gz"):
        return path.suffix
    with path.open("rb") as file:
        return ".json" if file.read(100).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[") else ""


def check_demonstrations(path: Path) -> None:
    """Reads every line of a file. Raises DataError with the lines that cannot be read."""
    faults = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                if line.strip():
                    demonstration_of(line, f"{path.name}:{number}")
            except DataError as error:
                faults.append(error)
    if faults:
        found = first_of([fault.found for fault in faults])
        raise DataError(f"{len(faults)} demonstrations of {path} cannot be read.", found, faults[0].remedy)


def demonstrations_file(source: str | Path) -> Path:
    """The file of an artifact's folder, or the file itself."""
    return Path(source) / FILE if Path(source).is_dir() else Path(source)


def demonstration_of(line: bytes | str, place: str) -> Demonstration:
    """The demonstration of a JSON line. Raises DataError with its place.

    A line has a question and a response, as r1lab writes them; messages of which the assistant writes the last one; or
    a prompt and a completion, each a text or messages.
    """
    try:
        row = object_of(line)
        demonstration = _demonstration(row if isinstance(row, dict) else {}, place)
        if not all_valid(demonstration):
            raise ValueError(NO_UTF8)
        return demonstration
    except (ValueError, TypeError, KeyError, RecursionError, RowFault) as error:
        name = "" if isinstance(error, RowFault) else f"{type(error).__name__}: "
        raise DataError(
            "A demonstration cannot be read.",
            f"{place}: {name}{error}",
            "One JSON object a line, with messages; with prompt and completion; or with question and response.",
        ) from error


def _demonstration(row: Mapping[str, Any], place: str) -> Demonstration:
    """A row's demonstration, in any of the forms. Raises RowFault, TypeError."""
    if isinstance(row.get("question"), Mapping):
        found = Demonstration(**{**row, "question": Question(**row["question"])})
        if not text_of(found.question.text, "question.text"):
            raise RowFault("question.text is empty")
        for name in ("id", "answer"):
            text_of(getattr(found.question, name), f"question.{name}")
        if not isinstance(found.question.details, Mapping) or found.question.answer is None:
            raise RowFault("question.answer is nothing, or question.details no object")
        if not text_of(found.response, "response"):
            raise RowFault("response is empty")
        return found
    if names := [name for name in ("messages", "conversations") if name in row]:
        turns = joined(before_of(row, names), _messages(row[names[0]], names[0]), names[0])
    else:
        forms = [(prompt, answer) for prompt, answer in FORMS if prompt in row and answer in row]
        if not forms:
            there = ", ".join(sorted(map(str, row))) or "nothing"
            raise RowFault(f"there are no messages, and no prompt with its completion; it has {there}")
        prompt, answer = forms[0]
        asked = joined(before_of(row, forms[0]), _turns(row, prompt, "user"), prompt)
        turns = [*asked, *_turns(row, answer, "assistant")]
    roles = [turn["role"] for turn in turns[-2:]]
    if roles != ["user", "assistant"]:
        raise RowFault(f"it ends with messages of {', '.join(roles)}; it must end with a question and its answer")
    details = {"turns": turns[:-2]} if len(turns) > 2 else {}
    question = Question(Path(place).name, turns[-2]["content"], "", domain="general", details=details)
    return Demonstration(question, with_thought(turns[-1]["content"], row, "the response"))


FORMS = (("prompt", "completion"), ("prompt", "response"), ("question", "response"))
"""Columns that hold a prompt and its response, in other tools."""


def _turns(row: Mapping[str, Any], name: str, role: str) -> list[Message]:
    """The messages of a column, or its text as one of that role."""
    value = listed(row[name], name)
    if isinstance(value, (list, tuple)):
        return _messages(value, name)
    if not (text := text_of(value, name)):
        raise RowFault(f"{name} is empty")
    return [{"role": role, "content": text}]


def _messages(value: Any, name: str) -> list[Message]:
    value = listed(value, name)
    if not is_messages(value):
        raise RowFault(f"{name} is {described(value)}, no messages")
    return messages_of(value, name)


def training_sample(
    demonstration: Demonstration, template: Template, tokenizer: PreTrainedTokenizerBase
) -> TrainingSample:
    """The prompt, and the response with its end token as what is learned.

    Raises DataError where the tokenizer does not give the response back, or it does not follow its prompt: another text
    would be learned.
    """
    import torch

    question, turn = demonstration.question, template.turn(tokenizer)
    response = template.completion(demonstration.response, template.opened(question, tokenizer))
    text = f"{turn.lead}{response}{turn.tail}"
    ids = tokenizer.encode(text, add_special_tokens=False)
    again = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    if again != text:
        found = f"question {question.id}: {text[:60]!r} becomes {again[:60]!r}"
        raise DataError("The tokenizer does not give a response back as it was.", found, "Leave this response out.")
    prompt = template.prompt_ids(question, tokenizer)
    completion = torch.tensor([*ids, turn.end], dtype=torch.int64)
    return TrainingSample(prompt, completion, torch.zeros(len(completion)), 0.0)


def unlike_template(demonstration: Demonstration, template: Template, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Where what is learned is not what the model's own chat template writes, a sentence. Raises DataError."""
    question, sample = demonstration.question, training_sample(demonstration, template, tokenizer)
    opened = template.opened(question, tokenizer)
    response = opened + template.completion(demonstration.response, opened)
    whole = template.written(question, response, tokenizer)
    learned = tokenizer.decode([*sample.prompt_ids, *sample.completion_ids], clean_up_tokenization_spaces=False)
    if whole is None or whole.startswith(learned):
        return []
    place = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(learned, whole)))
    found = f"learned: {learned[place:][:60]!r}, the template's: {whole[place:][:60]!r}"
    return [f"A response is learned as it stands; the chat template would write it otherwise ({found})"]


def batches(count: int, epochs: int, size: int, seed: int) -> list[list[int]]:
    """Places of the demonstrations of each step: every epoch in an order of its own, the last batch may be smaller.

    >>> [len(batch) for batch in batches(count=5, epochs=2, size=4, seed=0)]
    [4, 4, 2]
    """
    order = [place for epoch in range(epochs) for place in permutation(count, seed_of("epoch", seed, epoch))]
    return [order[start : start + size] for start in range(0, len(order), size)]


def _offsets(path: Path) -> Iterator[int]:
    offset = 0
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield offset
            offset += len(line)
