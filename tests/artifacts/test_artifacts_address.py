"""An address is the same for the same content, and another for any other."""

import ast
import json
import re
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path

import pytest

from r1lab.artifacts.address import address

PAYLOAD = {"b": [1, 2.5, None, True], "a": {"path": Path("x/y"), "lr": 3e-6, 8200: "long"}}


def test_the_address_is_the_hash_of_the_canonical_text():
    text = '{"a":{"8200":"long","lr":3e-06,"path":"x/y"},"b":[1,2.5,null,true]}'  # sorted, no spaces, floats by repr
    assert address(PAYLOAD) == blake2b(text.encode(), digest_size=6).hexdigest()
    assert len(address(PAYLOAD)) == 12


def test_order_of_keys_and_a_json_round_trip_change_nothing():
    turned = {"a": dict(reversed(PAYLOAD["a"].items())), "b": tuple(PAYLOAD["b"])}
    assert address(turned) == address(PAYLOAD)
    assert address(json.loads(json.dumps(PAYLOAD, default=str))) == address(PAYLOAD)


def test_another_process_finds_the_same_address():
    code = "from r1lab.artifacts.address import address; print(address({'z': 0.1, 'a': 'ü'}))"
    found = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    }
    assert found == {address({"a": "ü", "z": 0.1})}


@pytest.mark.parametrize(
    "other", [{"a": [2, 1]}, {"a": [1.0, 2]}, {"a": [1, "2"]}, {"a": [1, 2, None]}, {"a": [True, 2]}]
)
def test_any_difference_is_another_address(other):
    assert address(other) != address({"a": [1, 2]})


def test_a_class_of_ours_is_known_by_its_last_word_wherever_its_file_lies():
    def of(target, key="_target_"):
        return address({"reward": {key: target, "weight": 1.0}})

    assert of("r1lab.rewards.format.FormatReward") == of("r1lab.scoring.form.FormatReward")
    assert of("r1lab.data.corpus.Corpus", "class") == of("r1lab.tasks.corpus.Corpus", "class")
    # another class, somebody else's of that name, and a text that is no class's name
    assert of("r1lab.rewards.format.FormatReward") != of("r1lab.rewards.format.OtherReward")
    assert of("mine.format.FormatReward") != of("theirs.format.FormatReward") != of("r1lab.format.FormatReward")
    assert of("r1lab.a.B", "path") != of("r1lab.c.B", "path")


def test_no_two_classes_of_ours_share_a_last_word():
    import r1lab

    root = Path(r1lab.__file__).parent
    names = [
        node.name
        for path in sorted(root.rglob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    conf = "\n".join(path.read_text(encoding="utf-8") for path in (root.parent / "conf").rglob("*.yaml"))
    named = set(re.findall(r"r1lab(?:\.\w+)+\.(\w+)", conf))
    assert len(named) > 50 and {name for name in named if names.count(name) > 1} == set()


def test_what_has_no_canonical_text_is_refused_by_its_place():
    with pytest.raises(TypeError, match=r"payload\.stage\.rewards\[1\] is a set"):
        address({"stage": {"rewards": [1, {2}]}})
    with pytest.raises(ValueError, match="two keys with the same text"):
        address({0: "a", "0": "b"})
