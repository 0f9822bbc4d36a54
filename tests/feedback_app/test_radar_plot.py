"""The operator's radar: which lines it draws, and what it says in words."""

from __future__ import annotations

import math

import pytest

from feedback_app import radar_plot

KLS = [0.2 * step for step in range(1, 31)]


def history(bend: float) -> list[radar_plot.Figures]:
    return [
        {
            "objective/kl": kl,
            "objective/scores": math.sqrt(kl),
            "objective/holdout": math.sqrt(kl) * (1 - bend * math.log(math.sqrt(kl))),
        }
        for kl in KLS
    ]


def test_proxy_hold_out_and_its_curve_are_drawn_over_the_root_of_the_kl() -> None:
    drawn = radar_plot.lines(history(bend=0.7))
    assert set(drawn["line"]) == {"proxy", "hold-out", "fitted"}
    proxy = drawn[drawn["line"] == "proxy"]
    assert len(proxy) == len(KLS) - radar_plot.TOGETHER + 1
    assert proxy["value"].tolist() == pytest.approx(proxy["distance"].tolist(), abs=0.05)
    fitted = drawn[drawn["line"] == "fitted"]
    assert fitted["distance"].max() > proxy["distance"].max()


def test_the_predicted_peak_is_said_in_nats() -> None:
    peak = math.exp(1 / 0.7 - 1) ** 2
    assert f"predicted to peak at {peak:.1f}" in radar_plot.sentence(history(bend=0.7))


def test_a_reward_that_only_rises_has_no_peak_in_sight() -> None:
    assert "no peak" in radar_plot.sentence(history(bend=-0.2))


def test_a_round_that_has_hardly_begun_draws_and_claims_nothing() -> None:
    begun = history(bend=0.7)[: radar_plot.TOGETHER - 1]
    assert radar_plot.lines(begun).empty
    assert "Too few iterations" in radar_plot.sentence(begun)
