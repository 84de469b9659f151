"""Knights and knaves: what everybody says leaves exactly one world in which knights are right and knaves wrong.

Worlds are few, so uniqueness is counted. The worked steps are those of a search that takes people in turn, tries
knight before knave, and goes back where somebody's words do not fit.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import product

from r1lab.data.problem import VERDICTS, Problem

NAMES = {"en": ("Tom", "Ann", "Sam", "Eve", "Max", "Lea"), "zh": ("小明", "小红", "小刚", "小丽", "小华", "小美")}
ROLES = {"en": {True: "knight", False: "knave"}, "zh": {True: "骑士", False: "无赖"}}
MAX_SLIPS = 7

Claim = tuple
"""("is", who, knight), ("and" or "or", claim, claim), ("same" or "differ", who, who); people by number."""


def knights_and_knaves(rng: random.Random, level: int, language: str) -> Problem:
    """Two people at levels 1 and 2, three at 3 and 4, four at 5; with the level the search becomes longer."""
    count, longest = ((2, 3), (2, 6), (3, 5), (3, 8), (4, 12))[level - 1]
    names = rng.sample(NAMES[language], count)
    worlds: list[tuple[bool, ...]] = []
    work: list[str] = []
    while len(worlds) != 1 or len(work) > longest:
        claims = [_claim(rng, person, count) for person in range(count)]
        worlds = [world for world in product((True, False), repeat=count) if all(_fits(claims, world))]
        work = _search(claims, names, language)
    told = {"en": "{} says: {}.", "zh": "{}说：{}。"}[language]
    said = [told.format(name, _claim_text(claim, names, language)) for name, claim in zip(names, claims)]
    wordings = {
        "en": "Knights always tell the truth, knaves always lie. {} Who is what?",
        "zh": "骑士说真话，无赖说假话。{}谁是骑士，谁是无赖？",
    }
    others = [world for world in product((True, False), repeat=count) if world != worlds[0]]
    return Problem(
        text=wordings[language].format((" " if language == "en" else "").join(said)),
        answer=_roles_text(worlds[0], names, language),
        work=work,
        slips=[_roles_text(world, names, language) for world in rng.sample(others, min(len(others), MAX_SLIPS))],
        domain="logic",
        facts={"kind": "roles"},
    )


def _claim(rng: random.Random, speaker: int, count: int) -> Claim:
    one, other = rng.sample(range(count), 2)
    form = rng.choice(("same", "differ", "and", "or") if count == 2 else ("is", "is", "same", "differ", "and", "or"))
    if form == "is":
        return "is", rng.choice([person for person in range(count) if person != speaker]), rng.random() < 0.5
    if form in ("same", "differ"):
        return form, one, other
    return form, ("is", one, rng.random() < 0.5), ("is", other, rng.random() < 0.5)


def _truth(claim: Claim, world: Sequence[bool]) -> bool | None:
    """Whether a claim holds; None while somebody it speaks of has no role yet."""
    form, left, right = claim
    if form == "is":
        return world[left] == right if left < len(world) else None
    if form in ("same", "differ"):
        return None if max(left, right) >= len(world) else (world[left] == world[right]) == (form == "same")
    parts = _truth(left, world), _truth(right, world)
    return None if None in parts else (all if form == "and" else any)(parts)


def _fits(claims: Sequence[Claim], world: Sequence[bool]) -> Iterator[bool]:
    """For each who has a role: whether what he says is as true as he is."""
    for role, claim in zip(world, claims):
        yield _truth(claim, world) in (None, role)


def _search(claims: Sequence[Claim], names: Sequence[str], language: str) -> list[str]:
    """What a search for a world writes down: "Tom=knight ok", "Ann=knight no", "Ann=knave ok"."""
    steps: list[str] = []

    def fill(world: tuple[bool, ...]) -> bool:
        if len(world) == len(names):
            return True
        for role in (True, False):
            fits = all(_fits(claims, (*world, role)))
            steps.append(f"{names[len(world)]}={ROLES[language][role]} {VERDICTS[language][fits]}")
            if fits and fill((*world, role)):
                return True
        return False

    fill(())
    return steps


def _claim_text(claim: Claim, names: Sequence[str], language: str) -> str:
    form, left, right = claim
    if form == "is":
        role = ROLES[language][right]
        return f"{names[left]}是{role}" if language == "zh" else f"{names[left]} is a {role}"
    if form in ("same", "differ"):
        wordings = {
            "en": {"same": "{} and {} are the same", "differ": "{} and {} are not the same"},
            "zh": {"same": "{}和{}身份相同", "differ": "{}和{}身份不同"},
        }
        return wordings[language][form].format(names[left], names[right])
    joint = {"en": {"and": " and ", "or": " or "}, "zh": {"and": "，并且", "or": "，或者"}}[language][form]
    return joint.join(_claim_text(part, names, language) for part in (left, right))


def _roles_text(world: Sequence[bool], names: Sequence[str], language: str) -> str:
    said = [_claim_text(("is", person, role), names, language) for person, role in enumerate(world)]
    return ("，" if language == "zh" else ", ").join(said)
