"""A checker that does what the answer says; light, because workers import it."""

import json
import os


class HostileChecker:
    """Hangs on "hang", dies on "die", and raises on what is not JSON."""

    preload = "hostile_checker"

    def cheap(self, answer, question):
        return None

    def __call__(self, answer, question):
        while answer == "hang":
            pass
        if answer == "die":
            os._exit(9)
        return json.loads(answer)
