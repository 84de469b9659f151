"""The program that runs a file of asserts against answers that were given beforehand, without the candidate's code.

The text of this file, behind those of ``code_values`` and ``code_driver``, is the program.
"""

import builtins
import json
import random
import sys

from r1lab.verifiers.code_driver import MARK, find, load
from r1lab.verifiers.code_values import decode, encode_argument

_CATCHING = "Try", "TryStar", "With", "AsyncWith"
_CATCHING_LIBRARIES = "/unittest/", "/concurrent/futures/"
"""Library code that catches what it calls on purpose, such as ``assertRaises``."""


class Asked(BaseException):
    """The tests want to know what the candidate answers to a call that it has not been asked yet."""


def run_asserts():
    """Run tests against answers given beforehand, and print what became of them.

    ``{"pass": true}``, ``{"fail": reason}``, or ``{"ask": true}`` where a call has no answer, and ``"calls"``: all
    calls that were made. With "trace" the gold solution answers them all. An exception of the answer that neither ends
    the tests nor reaches an ``except`` or ``with`` of theirs was swallowed by an iteration: the tests fail.
    """
    request, out = json.loads(sys.stdin.read()), sys.stdout
    answers, calls, errors, asked = iter(request["answers"]), [], [], []
    # helpers that the tests call by name stand beside the gold solution
    source = request["gold"] + "\n\n" + request["test"]
    tests = load(source, request["entry_point"], "tests")
    gold = find(tests, request["entry_point"])

    def candidate(*positional, **named):
        calls.append(encode_argument((positional, named)))
        if request["trace"]:
            return gold(*positional, **named)
        call, (kind, answer) = next(answers, (None, (None, None)))
        if call != calls[-1]:
            asked.append(calls[-1])
            raise Asked
        if kind == "value":
            return decode(answer)
        try:
            raise _exception(answer)
        except Exception as error:  # its traceback names this frame from here on, see _caught
            errors.append(error)
        raise errors[-1]

    random.seed(0)  # tests that draw their inputs draw the same ones each time
    try:
        tests.check(candidate)
        swallowed = next((error for error in errors if not _caught(error, source)), None)
        verdict = {"pass": True} if swallowed is None else {"fail": _described(swallowed)}
    except Asked:
        pass
    except Exception as error:
        verdict = {"fail": _described(error)}
    if asked:  # also where a bare ``except`` of the tests caught it
        verdict = {"ask": True}
    out.write(f"\n{MARK}{json.dumps(verdict | {'calls': calls})}\n")


def _exception(text):
    """The exception that the candidate raised, of a built-in class, from "ValueError: why"."""
    name, _, message = text.partition(": ")
    kind = getattr(builtins, name, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        return RuntimeError(message)
    for base in kind.__mro__:  # UnicodeDecodeError takes more than a message, UnicodeError does not
        try:
            return base(message)
        except TypeError:
            continue


def _caught(error, source):
    """Whether code that is there to catch exceptions stopped this one, told by the last frame that it reached."""
    end = error.__traceback__
    import ast  # most tests raise nothing

    if end is None:  # assertRaises takes it away
        return True
    if end.tb_frame.f_code.co_filename != "tests.py":
        return any(name in end.tb_frame.f_code.co_filename for name in _CATCHING_LIBRARIES)
    return any(
        type(node).__name__ in _CATCHING and node.body[0].lineno <= end.tb_lineno <= node.body[-1].end_lineno
        for node in ast.walk(ast.parse(source))
    )


def _described(error):
    return f"{type(error).__name__}: {error}"[:200]
