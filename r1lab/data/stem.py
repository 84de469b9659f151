"""Generated multiple choice in chemistry, biology and physics: what follows from a short rule or a small table.

Wrong options are what usual mistakes come to - the wrong operation, a slip of a digit - and numbers beside the right
one. How many of them are smaller is drawn, and so is the order of all: neither rank nor place can be learned. Levels
give more options and larger numbers. Source of subjects and of the four to eight options: paper v2, Table 4.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from string import ascii_uppercase

from r1lab.data.options import considered, shuffled, with_options
from r1lab.data.problem import Problem

NUM_OPTIONS = (4, 4, 5, 6, 8)
"""Of levels 1 to 5."""

ATOMS = {"H": 1, "C": 12, "N": 14, "O": 16, "Na": 23, "Mg": 24, "S": 32, "Cl": 35.5, "K": 39, "Ca": 40, "Fe": 56}
"""Molar masses in g/mol, rounded as in school."""
COMPOUNDS = (
    "H2O CO2 NH3 CH4 NaCl HCl CaO MgO SO2 SO3 NaOH KOH KCl CaCl2 MgCl2 H2O2 N2O NO2 CO C2H6 C2H4 H2S Fe2O3 FeO Na2O "
    "K2O HNO3 H2SO4 CaCO3 Na2CO3 C2H6O C6H12O6 CH4O MgSO4 NaHCO3 K2CO3 FeCl2 FeCl3 Na2SO4 CaSO4"
)
ELEMENTS = {
    "en": "hydrogen helium lithium beryllium boron carbon nitrogen oxygen fluorine neon sodium magnesium aluminum "
    "silicon phosphorus sulfur chlorine argon potassium calcium",
    "zh": "氢 氦 锂 铍 硼 碳 氮 氧 氟 氖 钠 镁 铝 硅 磷 硫 氯 氩 钾 钙",
}
"""In the order of the periodic table, from number 1 on."""
PAIRS = {"A": "T", "T": "A", "C": "G", "G": "C"}


def molar_mass(rng: random.Random, level: int, language: str) -> Problem:
    """The mass of one mole from a table: ``What is the molar mass of CO2 (C 12, O 16)?``."""
    atoms = _atoms(formula := rng.choice(COMPOUNDS.split()))
    table = ", ".join(f"{atom} {ATOMS[atom]:g}" for atom in atoms)
    terms = [(ATOMS[atom], count) for atom, count in atoms.items()]
    mass, once = sum(m * n for m, n in terms), sum(m for m, _ in terms)
    steps = [f"{m:g}*{n}={m * n:g}" for m, n in terms if n > 1]
    steps.append(f"{'+'.join(f'{m * n:g}' for m, n in terms)}={mass:g}")
    text = {"en": "What is the molar mass of {} in g/mol? ({})", "zh": "{}的摩尔质量是多少g/mol？（{}）"}[language]
    wrong = [once, mass + terms[0][0], mass - terms[-1][0], mass + terms[-1][0], mass + 1, mass + 2, mass - 2]
    return _choice(rng, level, language, text.format(formula, table), mass, wrong, "g/mol", steps)


def moles(rng: random.Random, level: int, language: str) -> Problem:
    """The amount of a substance: ``How many moles are 88 g of CO2? (44 g/mol)``."""
    formula, amount = rng.choice(COMPOUNDS.split()), rng.randint(2, 4 + 2 * level)
    molar = sum(ATOMS[atom] * count for atom, count in _atoms(formula).items())
    mass = molar * amount
    text = {"en": "How many moles are {:g} g of {}? ({:g} g/mol)", "zh": "{:g} g的{}是多少摩尔？（{:g} g/mol）"}[
        language
    ]
    return _choice(
        rng,
        level,
        language,
        text.format(mass, formula, molar),
        amount,
        [mass - molar, molar],
        "mol",
        [f"{mass:g}/{molar:g}={amount}"],
    )


def acidity(rng: random.Random, level: int, language: str) -> Problem:
    """pH as a negative exponent, that of the hydroxide from level 3 on, or after dilution from level 2 on."""
    if level > 1 and rng.random() < 0.5:
        before, zeros = rng.randint(1, 4), rng.randint(1, 3)
        text = {"en": "A strong acid of pH {} is diluted {} times. What is the new pH?",
                "zh": "pH为{}的强酸稀释{}倍。新的pH是多少？"}[language]  # fmt: skip
        steps = [f"{10**zeros}=10^{zeros}", f"{before}+{zeros}={before + zeros}"]
        wrong = [before, before * zeros, before * 10, abs(before - zeros)]
        return _choice(rng, level, language, text.format(before, 10**zeros), before + zeros, wrong, "", steps)
    exponent, ion = rng.randint(1, 13), rng.choice(("H+", "OH-") if level > 2 else ("H+",))
    text = {"en": "The concentration of {} in a solution is 10^-{} mol/L. What is its pH?",
            "zh": "溶液中{}的浓度是10^-{} mol/L。它的pH是多少？"}[language]  # fmt: skip
    right = exponent if ion == "H+" else 14 - exponent
    steps = [f"-(-{exponent})={exponent}"] if ion == "H+" else [f"14-{exponent}={right}"]
    return _choice(rng, level, language, text.format(ion, exponent), right, [14 - right], "", steps)


def neutrons(rng: random.Random, level: int, language: str) -> Problem:
    """Mass number less atomic number: ``How many neutrons has carbon-14? (atomic number 6)``."""
    names = ELEMENTS[language].split()
    number = rng.randint(2, 8 + 2 * level + 2 * (level == 5))
    mass = 2 * number + rng.randint(0, 3)
    text = {"en": "How many neutrons has {}-{}? (atomic number {})", "zh": "{}-{}有多少个中子？（原子序数{}）"}[
        language
    ]
    steps = [f"{mass}-{number}={mass - number}"]
    asked = text.format(names[number - 1], mass, number)
    return _choice(rng, level, language, asked, mass - number, [number, mass, mass + number], "", steps)


def dilution(rng: random.Random, level: int, language: str) -> Problem:
    """Concentration times volume stays: ``2 L of a 6 mol/L solution are diluted to 4 L. New concentration?``."""
    factor, before, end = rng.randint(2, 3 + level), rng.randint(1, 5), rng.randint(1, 2 + level)
    concentration, after = end * factor, before * factor
    text = {"en": "{} L of a {} mol/L solution are diluted to {} L. What is the new concentration?",
            "zh": "把{} L浓度为{} mol/L的溶液稀释到{} L。新浓度是多少？"}[language]  # fmt: skip
    steps = [f"{concentration}*{before}={concentration * before}", f"{concentration * before}/{after}={end}"]
    asked = text.format(before, concentration, after)
    return _choice(rng, level, language, asked, end, [concentration * factor, concentration, factor], "mol/L", steps)


def punnett(rng: random.Random, level: int, language: str) -> Problem:
    """A cross of one gene: ``Aa x Aa: what percentage of the offspring is aa?``."""
    gene = rng.choice("ABDEFGHLMNRT")
    parents = [rng.choice((gene * 2, gene + gene.lower(), gene.lower() * 2)) for _ in range(2)]
    wanted = rng.choice((gene * 2, gene + gene.lower(), gene.lower() * 2))
    square = ["".join(sorted((one, other))) for one in parents[0] for other in parents[1]]
    hits = square.count(wanted)
    text = {
        "en": "A cross {} x {}: what percentage of the offspring is {}?",
        "zh": "杂交{} x {}：后代中{}占百分之几？",
    }[language]
    steps = [" ".join(square), f"{hits}/4={25 * hits}%"]
    wrong = [*rng.sample([0, 25, 50, 75, 100], 5), 33, 66, 10, 90]
    return _choice(rng, level, language, text.format(*parents, wanted), 25 * hits, wrong, "%", steps, near=False)


def base_pairing(rng: random.Random, level: int, language: str) -> Problem:
    """The other strand, base by base: ``Which strand pairs with GATT?``."""
    strand = "".join(rng.choice("ACGT") for _ in range(3 + level))
    other = "".join(map(PAIRS.__getitem__, strand))
    text = {"en": "Which DNA strand pairs with {}, base by base?", "zh": "哪条DNA链与{}逐个碱基配对？"}[language]
    wrong = [strand, other[::-1]]
    for place in rng.sample(range(len(other)), len(other)):
        wrong += [other[:place] + rng.choice(sorted(set("ACGT") - {other[place]})) + other[place + 1 :]]
    steps = [f"{base}-{pair}" for base, pair in zip(strand, other)]
    return _choice(rng, level, language, text.format(strand), other, wrong, "", steps, near=False)


def base_share(rng: random.Random, level: int, language: str) -> Problem:
    """As much A as T and as much G as C: ``A DNA has 30% adenine. How much guanine?``."""
    share = rng.randint(2, 48)
    known, asked = rng.choice(("AG", "AC", "TG", "TC", "GA", "CT", "GT", "CA"))
    text = {"en": "{1}% of the bases of a DNA are {0}. What percentage is {2}?",
            "zh": "某DNA中{0}占碱基的{1}%。{2}占百分之几？"}[language]  # fmt: skip
    steps = [f"{share}*2={2 * share}", f"100-{2 * share}={100 - 2 * share}", f"{100 - 2 * share}/2={50 - share}"]
    wrong = [share, 100 - share, 100 - 2 * share]
    return _choice(rng, level, language, text.format(known, share, asked), 50 - share, wrong, "%", steps)


def doubling(rng: random.Random, level: int, language: str) -> Problem:
    """Bacteria that divide: ``3 bacteria divide every 20 minutes. How many after 60 minutes?``."""
    start, minutes, times = rng.randint(1, 6), rng.choice((10, 15, 20, 30)), rng.randint(1, 2 + (level + 1) // 2)
    text = {"en": "{} bacteria divide every {} minutes. How many are there after {} minutes?",
            "zh": "{}个细菌每{}分钟分裂一次。{}分钟后有多少个？"}[language]  # fmt: skip
    end = start * 2**times
    steps = [
        f"{minutes * times}/{minutes}={times}",
        *(f"{start * 2**n}*2={start * 2 ** (n + 1)}" for n in range(times)),
    ]
    wrong = [start * times, 2 * start * times, end // 2, end * 2, start + 2 * times]
    return _choice(rng, level, language, text.format(start, minutes, minutes * times), end, wrong, "", steps)


def food_chain(rng: random.Random, level: int, language: str) -> Problem:
    """A tenth of the energy goes on at each level of a food chain."""
    levels, end = rng.randint(1, 2 + (level > 3)), rng.randint(1, 9 + 8 * level)
    start = end * 10**levels
    text = {"en": "Plants hold {} kJ. A tenth goes on at each level of a food chain. What is left {} level(s) up?",
            "zh": "植物含有{} kJ能量，食物链每级传递十分之一。往上{}级还有多少？"}[language]  # fmt: skip
    steps = [f"{end * 10 ** (n + 1)}/10={end * 10**n}" for n in reversed(range(levels))]
    wrong = [end * 10, start, end * 100, 10 * levels]
    return _choice(rng, level, language, text.format(start, levels), end, wrong, "kJ", steps)


def speed(rng: random.Random, level: int, language: str) -> Problem:
    """Way, time and speed: v = s/t, s = v*t or t = s/v."""
    names = {"en": ("A car goes {} m in {} s. What is its speed?", "A car goes at {} m/s for {} s. How far does it go?",
                    "A car goes at {} m/s. How long does it take for {} m?"),
             "zh": ("一辆车行驶{}米用{}秒。速度是多少？", "一辆车以{} m/s行驶{}秒。行驶多远？",
                    "一辆车以{} m/s行驶。{}米要多久？")}[language]  # fmt: skip
    return _product_rule(rng, level, language, names, ("m/s", "m", "s"))


def force(rng: random.Random, level: int, language: str) -> Problem:
    """Newton's second law: a = F/m, F = m*a or m = F/a."""
    names = {"en": ("A force of {} N acts on {} kg. What is the acceleration?",
                    "{} m/s^2 is the acceleration of {} kg. What is the force?",
                    "An acceleration of {} m/s^2 needs a force of {} N. What is the mass?"),
             "zh": ("{} N的力作用在{} kg上。加速度是多少？", "加速度为{} m/s^2，质量为{} kg。力是多少？",
                    "加速度为{} m/s^2，力为{} N。质量是多少？")}[language]  # fmt: skip
    return _product_rule(rng, level, language, names, ("m/s^2", "N", "kg"))


def ohms_law(rng: random.Random, level: int, language: str) -> Problem:
    """Ohm's law: I = U/R, U = I*R or R = U/I."""
    names = {"en": ("{} V lie across {} ohm. What is the current?", "{} A flow through {} ohm. What is the voltage?",
                    "{} A flow at {} V. What is the resistance?"),
             "zh": ("电阻两端电压{} V，电阻{} ohm。电流是多少？", "{} A的电流通过{} ohm。电压是多少？",
                    "电流{} A，电压{} V。电阻是多少？")}[language]  # fmt: skip
    return _product_rule(rng, level, language, names, ("A", "V", "ohm"))


FAMILIES: Mapping[str, Callable[[random.Random, int, str], Problem]] = {
    family.__name__: family
    for family in (molar_mass, moles, acidity, neutrons, dilution, punnett, base_pairing, base_share, doubling,
                   food_chain, speed, force, ohms_law)
}  # fmt: skip


def _product_rule(rng: random.Random, level: int, language: str, texts: Sequence[str], units: Sequence[str]) -> Problem:
    """A rule of three quantities, p = q*r, asked for q, for p, or for r: a text and a unit of each."""
    q, r = rng.randint(2, 5 + 3 * level), rng.randint(2, 5 + 2 * level)
    p = q * r
    form = rng.randrange(3)
    known, right, step = (((p, r), q, f"{p}/{r}={q}"), ((q, r), p, f"{q}*{r}={p}"), ((q, p), r, f"{p}/{q}={r}"))[form]
    slips = (
        [p + q, p - r, q + r, 10 * p] if right == p else [p * min(known), p - min(known), p + min(known), right + 10]
    )
    return _choice(rng, level, language, texts[form].format(*known), right, slips, units[form], [step])


def _choice(
    rng: random.Random,
    level: int,
    language: str,
    asked: str,
    right: float | str,
    wrong: Sequence[float | str],
    unit: str,
    steps: Sequence[str],
    near: bool = True,
) -> Problem:
    """The question with its options: as many of the wrong ones as are needed, where `near` numbers beside them."""
    count = NUM_OPTIONS[level - 1]
    slips = [option for option in dict.fromkeys(wrong) if option != right]
    others = _beside(rng, right, slips, count - 1) if near else slips[: count - 1]
    spelled = [_spelled(option, unit) for option in (right, *others)]
    order = shuffled(spelled, rng)
    choices, letter = [spelled[number] for number in order], ascii_uppercase[order.index(0)]
    slips = [mark for mark in ascii_uppercase[:count] if mark != letter]
    return Problem(
        text=with_options(asked, choices),
        answer=letter,
        work=[*steps, *considered(choices, letter, language)],
        slips=slips,
        domain="stem",
        facts={"choices": choices},
        # the same in every language, and for every question that comes to the same sum
        split_by=" ".join(steps),
    )


def _beside(rng: random.Random, right: float, slips: Sequence[float], count: int) -> list[float]:
    """So many wrong numbers, slips first, of which a drawn part is smaller: the rank gives nothing away."""
    num_smaller = min(rng.randint(0, count), math.ceil(right) - 1)
    others = []
    for wanted, sign in ((num_smaller, -1), (count - num_smaller, 1)):
        side = [slip for slip in slips if slip > 0 and (slip > right) == (sign > 0)]
        while len(side) < wanted:
            drawn = right + sign * rng.randint(1, 12)
            side += [drawn] if drawn > 0 and drawn not in side else []
        others += side[:wanted]
    return others


def _spelled(option: float | str, unit: str) -> str:
    number = option if isinstance(option, str) else f"{option:g}"
    return f"{number}{unit if unit in ('', '%') else ' ' + unit}"


def _atoms(formula: str) -> dict[str, int]:
    """Atoms of a formula with their counts: C2H6O is C 2, H 6, O 1."""
    atoms, place = {}, 0
    while place < len(formula):
        end = place + 1 + formula[place + 1 : place + 2].islower()
        digits = end
        while digits < len(formula) and formula[digits].isdigit():
            digits += 1
        atoms[formula[place:end]] = int(formula[end:digits] or 1)
        place = digits
    return atoms
