"""Annotators differ: how far each can be relied on, where each leans, and how far they agree.

Every verdict is checked by the verdicts of others on the same comparison and by the base model's
own linear probe (`reward.probe`), which looks at every comparison. Nobody is left out in silence:
a reliability becomes a weight with a floor, and what looks odd becomes a sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import sqrt
from typing import TYPE_CHECKING

import krippendorff
import numpy as np
import pandas as pd
from crowdkit.aggregation import OneCoinDawidSkene
from scipy.stats import binomtest, norm

from reward.calibration import wilson
from reward.report import NO_AGREEMENT, NOTHING, Agreement, AnnotatorReport, Share
from rlhf.data.verdicts import MEASURES_PEOPLE

if TYPE_CHECKING:
    from rlhf.store.manifests import LabelledComparison

PROBE = -1
"""Stands for the probe where workers are listed by their ids."""
SCALE = tuple(range(-3, 4))
"""Verdicts on the ordinal scale: the first response is much better, ..., the second one is."""
RESAMPLES = 400
ODD_Z = 3.0
"""Standard errors below what is usual at which an annotator is odd: one in 700 by chance."""
ODD_FALL, ODD_LEAN = 0.08, 0.12
"""Least share of verdicts that must be missing, or too many on one side: what is real but small
is not worth a word with anybody."""
SMOOTH = 4
"""Checks' worth of the overall share in what is usual for a kind of check."""
PRIOR = 20
"""Verdicts' worth of the crew's mean in everybody's reliability, so that ten ratings move it
little."""


def verdicts(labelled: Iterable[LabelledComparison]) -> pd.DataFrame:
    """One line per rating.

    Columns: comparison, annotator, value (-3 to 3, positive where the first response in canonical
    order is better), left (whether the left one was chosen; none for a tie or an unseen pair),
    longer (whether the longer one was chosen), seconds, purpose, expected, repeat_of, kind (of the
    slot: why the annotator was given it).
    """
    rows = [
        {
            "comparison": one.comparison_id,
            "annotator": one.annotator_id,
            "value": 0
            if one.lo_preferred is None
            else one.strength * (1 if one.lo_preferred else -1),
            "left": one.left_preferred,
            "longer": _longer(one),
            "seconds": one.active_ms / 1000,
            "purpose": one.purpose,
            "expected": one.as_expected,
            "repeat_of": one.repeat_of,
            "kind": one.kind,
        }
        for one in labelled
    ]
    columns = ("comparison", "annotator", "value", "left", "longer", "seconds")
    return pd.DataFrame(rows, columns=[*columns, "purpose", "expected", "repeat_of", "kind"])


def examine(
    table: pd.DataFrame, probe: Mapping[int, float], *, floor: float
) -> tuple[AnnotatorReport, ...]:
    """What is known of everybody who rated, by id.

    table: from `verdicts`; probe: comparison -> probability that its first response is the better
    one, from a fit that did not see it; floor: least weight of anybody.
    Who judged elsewhere (a file's ratings) is compared with nobody and weighs 1.
    """
    asked = table[~table["purpose"].isin(MEASURES_PEOPLE)]
    here = asked[asked["purpose"] != "imported"]
    skills = reliabilities(here, probe)
    best = max(skills.values(), default=1.0)
    odd = careless(here, probe)
    reports = []
    for annotator, mine in table.groupby("annotator"):
        own = int(annotator)
        left = _share(mine["left"])
        reports.append(
            AnnotatorReport(
                annotator_id=own,
                ratings=len(mine),
                ties=float((mine["value"] == 0).mean()),
                reliability=skills.get(own),
                weight=weight(skills[own], best, floor) if own in skills else 1.0,
                left=left,
                longer=_share(mine["longer"]),
                known=_share(mine.loc[mine["kind"] != "practice", "expected"]),
                repeats=_repeats(mine),
                seconds=float(mine["seconds"].median()),
                odd=tuple(one for one in (odd.get(own), _leaning(left)) if one),
            )
        )
    return tuple(reports)


def reliabilities(table: pd.DataFrame, probe: Mapping[int, float]) -> dict[int, float]:
    """Probability that a verdict of each annotator names the better response.

    Dawid and Skene (1979) with one parameter per worker, the probe being one of the workers; then
    drawn towards the crew's mean with the weight of PRIOR verdicts. Ties say nothing here.
    """
    labels = _labels(table, probe)
    people = labels[labels["worker"] != PROBE]
    if people.empty:
        return {}
    skills = OneCoinDawidSkene(n_iter=50).fit(labels).skills_
    counts = people.groupby("worker").size()
    found = skills.loc[counts.index]
    mean = float((found * counts).sum() / counts.sum())
    drawn = (found * counts + mean * PRIOR) / (counts + PRIOR)
    return {int(worker): float(skill) for worker, skill in drawn.items()}


def weight(skill: float, best: float, floor: float) -> float:
    """How much a verdict teaches: the share of signal left in it, against the best of the crew.

    A binary verdict that is right with probability p carries 2 p - 1 of a perfect one's signal
    (Natarajan et al., 2013, section 3: the factor of their unbiased loss).
    """
    if best <= 0.5:
        return 1.0
    return min(1.0, max(floor, (2 * skill - 1) / (2 * best - 1)))


def careless(table: pd.DataFrame, probe: Mapping[int, float]) -> dict[int, str]:
    """Whoever is confirmed by others and by the probe much less often than usual, in words.

    What is usual: the share in which everybody else's verdicts were confirmed where theirs and
    the check's were as strong, so that a strong verdict against a strong one counts for more than
    a slight one against a guess.
    """
    checks = _checks(table, probe)
    kinds = ["against", "strength", "sure"]
    usual = checks.groupby(kinds)["confirmed"].agg(["sum", "count"])
    mean = checks["confirmed"].mean()
    found = {}
    for annotator, mine in checks.groupby("annotator"):
        own = mine.groupby(kinds)["confirmed"].agg(["sum", "count"])
        others = usual.loc[own.index] - own
        expected = (others["sum"] + SMOOTH * mean) / (others["count"] + SMOOTH)
        missing = float((expected * own["count"] - own["sum"]).sum())
        error = sqrt(float((expected * (1 - expected) * own["count"]).sum()))
        total = int(own["count"].sum())
        if missing > ODD_Z * error and missing > ODD_FALL * total:
            found[int(annotator)] = (
                f"confirmed in {own['sum'].sum() / total:.2f} of {total} checks, where "
                f"{(own['sum'].sum() + missing) / total:.2f} is usual: careless, or of another mind"
            )
    return found


def agreement(table: pd.DataFrame, seed: int) -> Agreement:
    """How far people agree on what two or more of them rated: alpha, and the ceiling.

    Alpha is Krippendorff's (2011) for ordinal values, its interval from comparisons drawn with
    replacement. The ceiling is the share of pairs of preferences on one comparison that name the
    same response: no model can agree with one person more often than another person does. Votes
    that were asked for because two disagreed are left out: they come where agreement is low.
    """
    asked = table[~table["purpose"].isin(MEASURES_PEOPLE) & (table["kind"] != "tiebreak")]
    several = asked.groupby("comparison").filter(lambda one: len(one) > 1)
    if several.empty:
        return NO_AGREEMENT
    grid = several.pivot(index="annotator", columns="comparison", values="value")
    values = grid.to_numpy(dtype=float)
    random = np.random.default_rng(seed)
    drawn = [
        _alpha(values[:, random.integers(values.shape[1], size=values.shape[1])])
        for _ in range(RESAMPLES)
    ]
    known = [one for one in drawn if one is not None]
    low, high = np.quantile(known, [0.025, 0.975]) if known else (None, None)
    same, pairs = _same(several)
    return Agreement(
        alpha=_alpha(values),
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        comparisons=values.shape[1],
        ceiling=wilson(same, pairs),
    )


def _alpha(values: np.ndarray) -> float | None:
    """[annotators, comparisons] with NaN for no verdict; None where all verdicts are alike."""
    said = values[~np.isnan(values)]
    if len(np.unique(said)) < 2:
        return None
    return float(
        krippendorff.alpha(
            reliability_data=values, value_domain=list(SCALE), level_of_measurement="ordinal"
        )
    )


def _same(several: pd.DataFrame) -> tuple[int, int]:
    """(pairs of preferences that name the same response, pairs of preferences)."""
    signs = several[several["value"] != 0]
    first = (signs["value"] > 0).groupby(signs["comparison"]).agg(["sum", "count"])
    yes, all_ = first["sum"], first["count"]
    no = all_ - yes
    same = (yes * (yes - 1) + no * (no - 1)) // 2
    return int(same.sum()), int((all_ * (all_ - 1) // 2).sum())


def _labels(table: pd.DataFrame, probe: Mapping[int, float]) -> pd.DataFrame:
    """task, worker, label: who named which response of which comparison, the probe included."""
    said = table[table["value"] != 0]
    people = pd.DataFrame(
        {"task": said["comparison"], "worker": said["annotator"], "label": said["value"] > 0}
    )
    seen = [one for one in said["comparison"].unique() if one in probe]
    machine = pd.DataFrame(
        {"task": seen, "worker": PROBE, "label": [probe[one] > 0.5 for one in seen]}
    )
    return pd.concat([people, machine], ignore_index=True).astype({"label": int})


def _checks(table: pd.DataFrame, probe: Mapping[int, float]) -> pd.DataFrame:
    """Every check of a verdict by another: annotator, strength, confirmed, against ("probe" or
    "person"), and how sure that other was (a person's strength, the probe's third)."""
    said = table[table["value"] != 0]
    mine = said[["comparison", "annotator", "value"]]
    both = mine.merge(mine, on="comparison", suffixes=("", "_other"))
    both = both[both["annotator"] != both["annotator_other"]]
    by_people = pd.DataFrame(
        {
            "annotator": both["annotator"],
            "strength": both["value"].abs(),
            "against": "person",
            "sure": both["value_other"].abs(),
            "confirmed": (both["value"] > 0) == (both["value_other"] > 0),
        }
    )
    looked = mine[mine["comparison"].isin(probe.keys())]
    guess = looked["comparison"].map(probe).astype(float)
    by_probe = pd.DataFrame(
        {
            "annotator": looked["annotator"],
            "strength": looked["value"].abs(),
            "against": "probe",
            "sure": np.minimum((guess - 0.5).abs() * 6, 2).astype(int),
            "confirmed": (looked["value"] > 0) == (guess > 0.5),
        }
    )
    return pd.concat([by_people, by_probe], ignore_index=True)


def _leaning(left: Share) -> str | None:
    """Sides are shuffled, so that whoever judges by the text chooses each in half of all cases."""
    if not left.count or abs(left.value - 0.5) < ODD_LEAN:
        return None
    if binomtest(round(left.value * left.count), left.count).pvalue > 2 * norm.sf(ODD_Z):
        return None
    side = "left" if left.value > 0.5 else "right"
    return f"chose the {side} response in {abs(left.value - 0.5) + 0.5:.2f} of {left.count} ratings"


def _repeats(mine: pd.DataFrame) -> Share:
    """How often somebody said the same when asked again; ties count as verdicts."""
    again = mine[mine["repeat_of"].notna()]
    before = mine.set_index("comparison")["value"]
    known = again[again["repeat_of"].isin(before.index)]
    if known.empty:
        return NOTHING
    same = np.sign(known["value"].to_numpy()) == np.sign(before.loc[known["repeat_of"]].to_numpy())
    return wilson(int(same.sum()), len(known))


def _share(said: pd.Series) -> Share:
    known = said.dropna()
    return wilson(int(known.astype(bool).sum()), len(known)) if len(known) else NOTHING


def _longer(one: LabelledComparison) -> bool | None:
    if one.chosen_text is None or one.rejected_text is None:
        return None
    longer = len(one.chosen_text) - len(one.rejected_text)
    return None if longer == 0 else longer > 0
