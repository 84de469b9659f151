"""What runs inside the sandbox to call a function, and how values travel out of it and in: as data, never as pickles.

``answer_calls`` runs in the candidate's process. It is given arguments and nothing else - no expected results, no
tests - so there is nothing there to read, patch or forge: whatever the process prints last is the candidate's answer.
``run_asserts`` runs in a process of its own, without a line of the candidate's, and is given the candidate's answers.

The text of this file, with a call of one of the two behind it, is the program; it imports the standard library alone.
"""

import builtins
import json
import math
import random
import sys
import types
from collections import Counter

_SMALL = 1 << 53


def encode(value):
    """``value`` as JSON that keeps types: a tuple is {"t": [...]}. Errors: TypeError for what is no plain data."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value) if -_SMALL < value < _SMALL else {"i": hex(value)}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"f": repr(float(value))}
    if isinstance(value, complex):
        return {"c": [encode(value.real), encode(value.imag)]}
    if isinstance(value, (bytes, bytearray)):
        return {"b": value.hex()}
    if isinstance(value, list):
        return [encode(item) for item in value]
    for tag, kind in (("t", tuple), ("s", set), ("S", frozenset)):
        if isinstance(value, kind):
            return {tag: [encode(item) for item in value]}
    if isinstance(value, dict):
        return {"d": [[encode(key), encode(item)] for key, item in value.items()]}
    raise TypeError(f"{type(value).__name__} is no plain data")


def decode(data):
    """The value behind ``encode``'s JSON, of built-in types and nothing else. Errors: ValueError, TypeError."""
    if isinstance(data, list):
        return [decode(item) for item in data]
    if not isinstance(data, dict):
        return data
    ((tag, content),) = data.items()
    if tag == "i":
        return int(content, 16)
    if tag == "f":
        return float(content)
    if tag == "b":
        return bytes.fromhex(content)
    items = [decode(item) for item in content]
    keys = [key for key, _ in items] if tag == "d" else items if tag in "sS" else []
    if len(keys) > 100 and Counter(map(hash, keys)).most_common(1)[0][1] > 100:
        raise ValueError("keys chosen to collide: a set of them takes hours")
    if tag == "d":
        return dict(items)
    return {"t": tuple, "s": set, "S": frozenset, "c": lambda parts: complex(*parts)}[tag](items)


def load(source, name):
    """The module that ``source`` makes."""
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    return module


def find(module, path):
    """What ``path`` names in the module: ``f``, or ``Solution.f``, a method of a fresh object."""
    name, _, method = path.partition(".")
    found = getattr(module, name)
    return getattr(found(), method) if method else found


def answer_calls():
    """Call the candidate's function; the last line of the output has a ["value", data] or ["error", text] per call."""
    request = json.loads(sys.stdin.read())
    module, outcomes = load(request["source"], "solution"), []
    for arguments in request["calls"]:
        positional, named = decode(arguments)
        try:
            outcomes.append(["value", encode(find(module, request["entry_point"])(*positional, **named))])
        except Exception as error:
            outcomes.append(["error", f"{type(error).__name__}: {error}"[:200]])
    sys.stdout.flush()
    sys.__stdout__.write("\n" + json.dumps(outcomes) + "\n")


class Asked(BaseException):
    """The tests want to know what the candidate answers to a call that it has not been asked yet."""


def run_asserts():
    """Run tests against answers given beforehand; the last line has what became of them.

    ``{"pass": true}``, ``{"fail": reason}``, or ``{"ask": true}`` where a call has no answer, and ``"calls"``: all
    calls that were made. With "trace" the gold solution answers them all.
    """
    request = json.loads(sys.stdin.read())
    answers, calls, tracing = iter(request["answers"]), [], request["trace"]
    # helpers that the tests call by name stand beside the gold solution
    tests = load(request["gold"] + "\n\n" + request["test"], "tests")
    gold = find(tests, request["entry_point"])

    def candidate(*positional, **named):
        calls.append(encode((positional, named)))
        if tracing:
            return gold(*positional, **named)
        asked, (kind, answer) = next(answers, (None, (None, None)))
        if asked != calls[-1]:
            raise Asked
        if kind == "value":
            return decode(answer)
        kind = getattr(builtins, answer.partition(":")[0], None)
        known = isinstance(kind, type) and issubclass(kind, Exception)
        raise (kind if known else RuntimeError)(answer.partition(": ")[2])

    random.seed(0)  # tests that draw their inputs draw the same ones each time
    try:
        tests.check(candidate)
        verdict = {"pass": True}
    except Asked:
        verdict = {"ask": True}
    except Exception as error:
        verdict = {"fail": f"{type(error).__name__}: {error}"[:200]}
    sys.stdout.flush()
    sys.__stdout__.write("\n" + json.dumps(verdict | {"calls": calls}) + "\n")
