"""Small zebra puzzles: clues that leave exactly one world, found by striking out what cannot be.

A puzzle is kept where two rules are enough: what is struck out for somebody leaves him one thing, or what is struck out
of a thing leaves it one owner. These are the worked steps; that no other world fits the clues is counted beside.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import reduce
from itertools import permutations, product
from operator import and_

from r1lab.data.knights_and_knaves import MAX_SLIPS, NAMES
from r1lab.data.problem import Problem

THINGS = {
    "en": (("cat", "dog", "bird", "fish"), ("tea", "milk", "juice", "water")),
    "zh": (("猫", "狗", "鸟", "鱼"), ("茶", "牛奶", "果汁", "水")),
}
_HAS = {"en": ("{} has the {}.", "{} drinks {}."), "zh": ("{}有{}。", "{}喝{}。")}
_HAS_NOT = {"en": ("{} does not have the {}.", "{} does not drink {}."), "zh": ("{}没有{}。", "{}不喝{}。")}
_OWNER = {"en": "The owner of the {}", "zh": "有{}的人"}
_ASK_ONE = {"en": ("Who has the {}?", "Who drinks {}?"), "zh": ("谁有{}？", "谁喝{}？")}
_ASK_ALL = {"en": "Who has what?", "zh": "每个人各有什么？"}
_STRUCK = {"en": (" not {}", " so {}"), "zh": ("非{}", "是{}")}

World = tuple[tuple[str, ...], ...]
"""For each person, one thing of each kind."""
Clue = tuple
"""("has", yes, who, kind, thing) or ("owner", yes, thing of the first kind, thing of the second kind)."""


def zebra(rng: random.Random, level: int, language: str) -> Problem:
    """Who has which animal, from level 3 on who drinks what too; asks for one name, at even levels for the table."""
    count, kinds = ((3, 1), (3, 1), (3, 2), (3, 2), (4, 2))[level - 1]
    work: list[str] = []
    while not work:
        names = rng.sample(NAMES[language], count)
        things = [rng.sample(list(group), count) for group in THINGS[language][:kinds]]
        worlds = [tuple(zip(*orders)) for orders in product(*(permutations(group) for group in things))]
        truth = rng.choice(worlds)
        clues = _clues(rng, truth, worlds, things, outright=level == 1)
        work = _strike_out(clues, names, things, language)
    spoken = [_clue_text(clue, names, language) for clue in clues]
    space = "" if language == "zh" else " "
    text = _scene(names, things, language) + space + space.join(spoken) + space
    if level % 2 == 0:
        others = rng.sample([world for world in worlds if world != truth], min(len(worlds) - 1, MAX_SLIPS))
        slips = [_table_text(world, names, language) for world in others]
        answer = _table_text(truth, names, language)
        return Problem(text + _ASK_ALL[language], answer, work, slips, "logic", {"kind": "table"})
    told = {clue[2] for clue in clues if clue[0] == "has" and clue[1]}
    person, kind = rng.choice([who for who in range(count) if who not in told]), rng.randrange(kinds)
    slips = [name for name in names if name != names[person]]
    ask = _ASK_ONE[language][kind].format(truth[person][kind])
    return Problem(text + ask, names[person], work, slips, "logic", {"kind": "name", "candidates": names})


def _clues(rng: random.Random, truth: World, worlds: Sequence[World], things: Sequence, outright: bool) -> list[Clue]:
    """Clues that are true of one world alone, none of which can be left out.

    outright: whether a clue may say who has what.
    """
    pool: list[Clue] = [
        ("has", row[kind] == thing, who, kind, thing)
        for who, row in enumerate(truth)
        for kind, group in enumerate(things)
        for thing in group
        if outright or row[kind] != thing
    ]
    if len(things) == 2:
        pool += [("owner", (one, two) in truth, one, two) for one, two in product(*things)]
    rng.shuffle(pool)
    # the worlds that a clue leaves, one bit each
    left: dict[Clue, int] = {}
    together = every = (1 << len(worlds)) - 1
    for clue in pool:
        if together.bit_count() == 1:
            break
        fits = sum(_holds(clue, world) << bit for bit, world in enumerate(worlds))
        if together & fits != together:
            left[clue], together = fits, together & fits
    clues = list(left)
    for clue in list(clues):
        rest = [other for other in clues if other is not clue]
        if reduce(and_, (left[other] for other in rest), every).bit_count() == 1:
            clues = rest
    return clues


def _holds(clue: Clue, world: World) -> bool:
    if clue[0] == "owner":
        return ((clue[2], clue[3]) in world) == clue[1]
    _, yes, who, kind, thing = clue
    return (world[who][kind] == thing) == yes


def _strike_out(clues: Sequence[Clue], names: Sequence[str], things: Sequence, language: str) -> list[str]:
    """The steps of a solution by striking out, "Ann not dog not fish so cat"; [] where that is not enough."""
    open_cells = {(who, kind): list(group) for kind, group in enumerate(things) for who in range(len(names))}
    steps: list[str] = []
    known: set[tuple[int, int]] = set()
    while len(known) < len(open_cells):
        for clue in clues:
            _apply(clue, open_cells)
        found = _next_cell(open_cells, known, things, names, language)
        if found is None:
            return []
        (who, kind), thing, step = found
        known.add((who, kind))
        steps.append(step)
        for other in range(len(names)):
            left = open_cells[other, kind]
            open_cells[other, kind] = [thing] if other == who else [one for one in left if one != thing]
    return steps


def _apply(clue: Clue, open_cells: dict[tuple[int, int], list[str]]) -> None:
    """Strike out what one clue alone forbids."""
    if clue[0] == "has":
        _, yes, who, kind, thing = clue
        open_cells[who, kind] = [one for one in open_cells[who, kind] if (one == thing) == yes]
        return
    _, yes, one, two = clue
    for who in {who for who, _ in open_cells}:
        for (kind, thing), (other_kind, other) in (((0, one), (1, two)), ((1, two), (0, one))):
            cannot = thing not in open_cells[who, kind] if yes else open_cells[who, kind] == [thing]
            if cannot and other in open_cells[who, other_kind]:
                open_cells[who, other_kind].remove(other)


def _next_cell(
    open_cells: dict, known: set, things: Sequence, names: Sequence[str], language: str
) -> tuple[tuple[int, int], str, str] | None:
    """A cell that is decided and not yet known, its thing and the words that say why."""
    struck, so = _STRUCK[language]
    for (who, kind), left in open_cells.items():
        if (who, kind) not in known and len(left) == 1:
            out = [thing for thing in things[kind] if thing not in left]
            return (who, kind), left[0], names[who] + "".join(map(struck.format, out)) + so.format(left[0])
    for kind, group in enumerate(things):
        for thing in group:
            owners = [who for who in range(len(names)) if thing in open_cells[who, kind]]
            if len(owners) == 1 and (owners[0], kind) not in known:
                out = [name for who, name in enumerate(names) if who not in owners]
                words = thing + "".join(map(struck.format, out)) + so.format(names[owners[0]])
                return (owners[0], kind), thing, words
    return None


def _clue_text(clue: Clue, names: Sequence[str], language: str) -> str:
    if clue[0] == "has":
        _, yes, who, kind, thing = clue
        return (_HAS if yes else _HAS_NOT)[language][kind].format(names[who], thing)
    _, yes, one, two = clue
    return (_HAS if yes else _HAS_NOT)[language][1].format(_OWNER[language].format(one), two)


def _scene(names: Sequence[str], things: Sequence[Sequence[str]], language: str) -> str:
    # in their own order, so that the scene does not give the answer away
    groups = [sorted(group) for group in things]
    if language == "zh":
        wordings = ("{}每人各有一种动物：{}。", "每人各喝一种饮料：{}。")
        people, listed = "、".join(names), ["、".join(group) for group in groups]
        return wordings[0].format(people, listed[0]) + "".join(wordings[1].format(group) for group in listed[1:])
    wordings = ("{} have one animal each: {}. ", "They drink one thing each: {}. ")
    people, listed = ", ".join(names), [", ".join(group) for group in groups]
    return (wordings[0].format(people, listed[0]) + "".join(wordings[1].format(group) for group in listed[1:])).strip()


def _table_text(world: World, names: Sequence[str], language: str) -> str:
    marks = ("：", "，", "；") if language == "zh" else (": ", ", ", "; ")
    return marks[2].join(f"{name}{marks[0]}{marks[1].join(row)}" for name, row in zip(names, world))
