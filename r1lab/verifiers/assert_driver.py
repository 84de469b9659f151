"""The program that runs a file of asserts against answers that were given beforehand, without the candidate's code.

The text of this file, behind those of ``code_values`` and ``code_driver``, is the program.
"""

import builtins
import json
import random
import sys

from r1lab.verifiers.code_driver import MARK, find, load
from r1lab.verifiers.code_values import decode, encode


class Asked(BaseException):
    """The tests want to know what the candidate answers to a call that it has not been asked yet."""


def run_asserts():
    """Run tests against answers given beforehand, and print what became of them.

    ``{"pass": true}``, ``{"fail": reason}``, or ``{"ask": true}`` where a call has no answer, and ``"calls"``: all
    calls that were made. With "trace" the gold solution answers them all.
    """
    request, out = json.loads(sys.stdin.read()), sys.stdout
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
    out.write(f"\n{MARK}{json.dumps(verdict | {'calls': calls})}\n")
