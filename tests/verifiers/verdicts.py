"""A score as the corpora write it."""

from r1lab.types import Score, Status


def outcome(score: Score) -> str:
    """right, wrong, unreadable, or the status of what was not judged."""
    if score.status is not Status.OK:
        return str(score.status)
    if score.reason.startswith("no readable answer"):
        return "unreadable"
    return {1.0: "right", 0.0: "wrong"}[score.value]
