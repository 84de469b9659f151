"""The program that calls a candidate's function. It is given arguments and nothing else.

No expected results, no tests: there is nothing in its process to read, patch or forge. Whatever comes out of it is the
candidate's answer.

The text of this file, behind that of ``code_values``, is the program; it imports the standard library alone.
"""

import json
import sys
import types

from r1lab.verifiers.code_values import decode, encode

MARK = "r1lab outcome "
"""Begins the lines that are not the candidate's prints; no secret, for forging them is answering."""


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
    """Call the candidate's function; print an [index, "value" or "error", data or text] for each call as it ends."""
    request, out = json.loads(sys.stdin.read()), sys.stdout
    try:
        module = load(request["source"], "solution")
    except Exception as error:
        module = error
    for index, arguments in enumerate(request["calls"]):
        positional, named = decode(arguments)
        try:
            if isinstance(module, Exception):
                raise module
            outcome = "value", encode(find(module, request["entry_point"])(*positional, **named))
        except Exception as error:
            outcome = "error", f"{type(error).__name__}: {error}"[:200]
        out.write(f"\n{MARK}{json.dumps([index, *outcome])}\n")
        out.flush()
