"""An address is the same for the same content, and another for any other."""

import json
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


def test_what_has_no_canonical_text_is_refused_by_its_place():
    with pytest.raises(TypeError, match=r"payload\.stage\.rewards\[1\] is a set"):
        address({"stage": {"rewards": [1, {2}]}})
    with pytest.raises(ValueError, match="two keys with the same text"):
        address({0: "a", "0": "b"})
