"""The program that calls a candidate's function. It is given arguments and nothing else.

No expected results, no tests: there is nothing in its process to read, patch or forge. Whatever comes out of it is the
candidate's answer.

The text of this file, behind that of ``code_values``, is the program; it imports the standard library alone.
"""

import builtins
import importlib
import json
import sys
import types

from r1lab.verifiers.code_values import decode, encode_result

MARK = "r1lab outcome "
"""Begins the lines that are not the candidate's prints; no secret, for forging them is answering."""


_PRELUDE = "typing string re random operator functools itertools bisect heapq math collections"
"""Modules whose names a method of a class may use without import, as on LeetCode; of two alike the later one counts."""


def load(source, entry_point, name):
    """The module that ``source`` makes."""
    module = sys.modules[name] = types.ModuleType(name)
    if "." in entry_point:
        module.__dict__.update(_prelude())
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    return module


def _prelude():
    """The public names of the prelude's modules, and the modules; a name of Python itself stays what it is."""
    names = {}
    for module in map(importlib.import_module, _PRELUDE.split()):
        public = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
        names |= {name: getattr(module, name) for name in public if not hasattr(builtins, name)}
    return names | {name: sys.modules[name] for name in _PRELUDE.split()}


def find(module, path):
    """What ``path`` names in the module: ``f``, or ``Solution.f``, a method of a fresh object."""
    name, _, method = path.partition(".")
    found = getattr(module, name)
    return getattr(found(), method) if method else found


def answer_calls():
    """Call the candidate's function; print an [index, "value" or "error", data or text] for each call as it ends."""
    request, out = json.loads(sys.stdin.read()), sys.stdout
    try:
        module = load(request["source"], request["entry_point"], "solution")
    except Exception as error:
        module = error
    for index, arguments in enumerate(request["calls"]):
        positional, named = decode(arguments)
        try:
            if isinstance(module, Exception):
                raise module
            outcome = "value", encode_result(find(module, request["entry_point"])(*positional, **named))
        except Exception as error:
            outcome = "error", f"{type(error).__name__}: {error}"[:200]
        out.write(f"\n{MARK}{json.dumps([index, *outcome])}\n")
        out.flush()
