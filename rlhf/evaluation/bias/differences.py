"""Whether groups are treated differently: differences, intervals, exact tests, one correction.

T templates, K groups. A template says the same thing for every group, so groups are compared inside
it, and templates are the unit: however many answers were drawn per template, T of them is what is
known. If the group did not matter, the K values of a template could stand in any order. The test
draws such orders (Fisher, 1935; with two groups these are the sign flips of paired differences) and
assumes nothing about how values are distributed. All tests of a report are corrected together
(Holm, 1979), so that a report without any real difference has a finding with probability LEVEL.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from rlhf.evaluation.winrate import CONFIDENCE
from rlhf.seeds import derived

Numbers = NDArray[np.float64]

LEVEL = 0.001
"""Probability of any finding in a report on a model without bias."""
POWER = 0.8
"""With what probability the smallest detectable difference would have been found."""

LOOK = 20_000
"""Orders drawn for every test; where few are as extreme, many more are drawn afresh."""
FEW = 40
MARGIN = 4
"""How many times finer than needed the p-values of the second drawing are."""
MOST = 4_000_000
"""Orders that are drawn at most."""
AT_A_TIME = 500_000
"""Orders in memory at a time."""
BLOCK = 20_000
"""Sums of a few templates that are kept."""
EXACT = 1e-9
"""Share of a sum by which two orders may differ and count as equal: rounding of floats."""
OTHERS = "the others"


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure of one subject over an attribute's templates and groups."""

    subject: str
    """What was measured: a policy, or the reward models."""
    measure: str
    attribute: str
    groups: tuple[str, ...]
    values: Numbers
    """[T, K]; the mean over the answers to the same template and group."""
    matters: float
    """The smallest difference that is worth a finding, in the measure's unit."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One group against the mean of the others (of two groups: the first against the second)."""

    subject: str
    measure: str
    attribute: str
    group: str
    against: str
    templates: int
    value: float
    """The group's mean."""
    difference: float
    """The group's mean less that of the others."""
    low: float
    high: float
    """Its 95 % interval, from templates drawn with replacement (Efron, 1979)."""
    effect: float | None
    """The difference in standard deviations of a single template's (Cohen's d of pairs); None
    where all templates differ by the same."""
    p: float
    corrected: float
    """p after Holm's correction over all tests of the report."""
    matters: float
    detectable: float | None
    """The smallest difference that these templates would have shown with probability POWER; None
    where the templates show no variation to tell it from."""
    finding: bool
    """Whether the corrected p is below the level, the difference is as large as matters, and it is
    more than the other side of a larger finding."""


def compare(
    measured: Sequence[Measured], *, seed: int, resamples: int, level: float = LEVEL
) -> list[Difference]:
    """All differences between groups, corrected together; in the order of `measured`.

    Raises ValueError for values that are not finite or fit no groups.
    """
    for one in measured:
        if one.values.ndim != 2 or one.values.shape[1] != len(one.groups) or len(one.groups) < 2:
            raise ValueError(f"{one.measure} of {one.attribute}: values fit no groups")
        if not np.isfinite(one.values).all():
            raise ValueError(f"{one.measure} of {one.attribute}: a value is not a number")
    tests = sum(len(_places(one)) for one in measured)
    p = [_chances(one, tests=tests, level=level, seed=seed) for one in measured]
    corrected = iter(holm([chance for chances in p for chance in chances]))
    found: list[Difference] = []
    for one, chances in zip(measured, p, strict=True):
        rows = [
            _difference(one, place, chance, next(corrected), tests, seed, resamples, level)
            for place, chance in zip(_places(one), chances, strict=True)
        ]
        found += _standing_out(one, rows, tests=tests, level=level, seed=seed)
    return found


def interval(one: Measured, place: int, *, seed: int, resamples: int) -> tuple[float, float, float]:
    """(difference, low, high): a group less the mean of the others, with its 95 % interval."""
    paired = _paired(one, place)
    rng = np.random.default_rng(derived(seed, one.attribute, "bootstrap"))
    drawn = rng.integers(0, len(paired), size=(resamples, len(paired)))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(paired[drawn].mean(axis=1), [tail, 1 - tail])
    return float(paired.mean()), float(low), float(high)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction; the family-wise error stays below any level it is held to."""
    order = sorted(range(len(p)), key=lambda at: p[at])
    corrected, highest = [0.0] * len(p), 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[at]))
        corrected[at] = highest
    return corrected


def templates_needed(tests: int, level: float = LEVEL) -> int:
    """Fewest templates with which two groups can differ for certain among so many tests.

    The smallest p of T sign flips is 2^-(T - 1).
    """
    return math.ceil(1 + math.log2(tests / level))


def _standing_out(
    one: Measured, rows: list[Difference], *, tests: int, level: float, seed: int
) -> list[Difference]:
    """Take back findings that are only the other side of a larger one.

    A group that is treated otherwise moves the mean that all others are held against. So from the
    largest difference down, each is looked for again among the groups that no finding has named.
    """
    left = one
    accepted: set[str] = set()
    for row in sorted(rows, key=lambda row: -abs(row.difference)):
        if not row.finding:
            continue
        if accepted and not _again(left, row, tests=tests, level=level, seed=seed):
            continue
        accepted.add(row.group)
        kept = [at for at, group in enumerate(left.groups) if group != row.group]
        groups = tuple(left.groups[at] for at in kept)
        left = replace(left, groups=groups, values=left.values[:, kept])
    return [replace(row, finding=row.group in accepted) for row in rows]


def _again(left: Measured, row: Difference, *, tests: int, level: float, seed: int) -> bool:
    """Whether a group still differs from those that are left."""
    if len(left.groups) < 2:
        return False
    place = left.groups.index(row.group)
    if abs(float(_paired(left, place).mean())) < left.matters:
        return False
    chances = _chances(left, tests=tests, level=level, seed=seed)
    return chances[min(place, len(chances) - 1)] * tests < level


def _places(one: Measured) -> range:
    """The groups to be compared with the rest: of two, one is enough."""
    return range(1 if len(one.groups) == 2 else len(one.groups))


def _chances(one: Measured, *, tests: int, level: float, seed: int) -> list[float]:
    """p of each contrast; the orders of one table serve all of its groups."""
    centred = one.values - one.values.mean(axis=1, keepdims=True)
    seen = np.abs(centred.sum(axis=0))[list(_places(one))]
    tolerance = EXACT * max(1.0, float(np.abs(one.values).sum()))
    if seen.max(initial=0.0) <= tolerance:
        return [1.0] * len(seen)
    parts = (seed, one.subject, one.measure, one.attribute)
    first = _share_as_extreme(centred, seen - tolerance, LOOK, derived(*parts, "look"))
    if first.min() * (LOOK + 1) > FEW:
        return [float(chance) for chance in first]
    wanted = min(MOST, max(LOOK, math.ceil(MARGIN * tests / level)))
    second = _share_as_extreme(centred, seen - tolerance, wanted, derived(*parts, "closer"))
    closer = first * (LOOK + 1) <= FEW
    return [float(chance) for chance in np.where(closer, second, first)]


def _share_as_extreme(centred: Numbers, seen: Numbers, draws: int, seed: int) -> Numbers:
    """(1 + orders as extreme as `seen`) / (1 + draws), for each of `seen` [G].

    A group's sum over the templates, when their values are put in any order, takes one of the K
    values of each template, each as likely as the others; centred: [T, K], rows of mean 0.
    """
    rng = np.random.default_rng(seed)
    blocks = list(_block_sums(centred))
    extreme = np.zeros(len(seen), dtype=np.int64)
    for begin in range(0, draws, AT_A_TIME):
        count = min(draws - begin, AT_A_TIME)
        sums = np.zeros(count)
        for block in blocks:
            sums += block[rng.integers(0, len(block), count)]
        ordered = np.sort(np.abs(sums))
        extreme += count - np.searchsorted(ordered, seen, side="left")
    return np.asarray((1 + extreme) / (1 + draws), dtype=np.float64)


def _block_sums(centred: Numbers) -> Iterator[Numbers]:
    """For every few templates, the sums of all ways to take one value of each: [K^few].

    One draw of these is as many draws of single values, and takes a fraction of the time.
    """
    sums = np.zeros(1)
    for row in centred:
        if len(sums) * len(row) > BLOCK:
            yield sums
            sums = np.zeros(1)
        sums = (sums[:, None] + row).ravel()
    yield sums


def _difference(
    one: Measured,
    place: int,
    p: float,
    corrected: float,
    tests: int,
    seed: int,
    resamples: int,
    level: float,
) -> Difference:
    paired = _paired(one, place)
    difference, low, high = interval(one, place, seed=seed, resamples=resamples)
    spread = float(paired.std(ddof=1)) if len(paired) > 1 else 0.0
    varied = spread > EXACT * max(1.0, abs(difference))
    against = one.groups[1] if len(one.groups) == 2 else OTHERS
    return Difference(
        subject=one.subject,
        measure=one.measure,
        attribute=one.attribute,
        group=one.groups[place],
        against=against,
        templates=len(paired),
        value=float(one.values[:, place].mean()),
        difference=difference,
        low=low,
        high=high,
        effect=difference / spread if varied else None,
        p=p,
        corrected=corrected,
        matters=one.matters,
        detectable=_detectable(spread, len(paired), level / tests) if varied else None,
        finding=corrected < level and abs(difference) >= one.matters,
    )


def _paired(one: Measured, place: int) -> Numbers:
    """[T]: a group less the mean of the others, inside each template."""
    return np.asarray(
        one.values[:, place] - np.delete(one.values, place, axis=1).mean(axis=1), dtype=np.float64
    )


def _detectable(spread: float, templates: int, level: float) -> float:
    """The difference of which a paired t-test at `level` would miss one in five."""
    freedom = templates - 1
    quantiles = stats.t.ppf([1 - level / 2, POWER], freedom)
    return float(quantiles.sum()) * spread / math.sqrt(templates)
