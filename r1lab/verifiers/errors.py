"""Why a formula has no value."""


class Unreadable(Exception):
    """The text is no mathematics that is read here, or it has no value (a division by zero)."""


class TooLarge(Unreadable):
    """Evaluating would build a number that no machine should hold."""
