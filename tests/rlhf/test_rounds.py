"""The order of a round's steps, and where it may end."""

from __future__ import annotations

import pytest

from rlhf.rounds import CAN_REFUSE, ENDED, STEPS, State, after


def test_a_round_that_passes_every_gate_goes_through_all_steps_to_promotion() -> None:
    state, seen = State.COMPARISONS, [State.COMPARISONS]
    while state not in ENDED:
        state = after(state)
        seen.append(state)
    assert tuple(seen) == (*STEPS, State.PROMOTED)


@pytest.mark.parametrize("state", sorted(CAN_REFUSE))
def test_a_gate_that_says_no_refuses_the_round(state: State) -> None:
    assert after(state, passed=False) is State.REFUSED


@pytest.mark.parametrize("state", sorted(set(STEPS) - CAN_REFUSE))
def test_a_step_that_only_computes_cannot_refuse(state: State) -> None:
    with pytest.raises(ValueError, match="cannot refuse"):
        after(state, passed=False)


@pytest.mark.parametrize("state", sorted(ENDED))
def test_a_round_that_has_ended_has_no_next_step(state: State) -> None:
    with pytest.raises(ValueError, match="no next step"):
        after(state)
