"""What a round remembers: frozen manifests, moved aliases, writes behind a fence, requests."""

from __future__ import annotations

import pytest

from rlhf import champion
from rlhf.errors import Conflict, InputError, NotFound
from rlhf.rounds import State
from rlhf.store import (
    Connection,
    Store,
    checkpoints,
    manifests,
    metrics,
    prompts,
    ratings,
    requests,
    rounds,
)
from tests.seeded import hired, leased, queued


def a_round(tx: Connection) -> rounds.Round:
    return rounds.create_round(
        tx, settings={}, base={}, start_checkpoint="c" * 64, seed=1, requested_by="test"
    )


def a_prompt(tx: Connection) -> int:
    messages = [{"role": "user", "content": "Why?"}]
    prompts.add_prompts(tx, [prompts.NewPrompt(messages, source="test", split="train")])
    return prompts.split_prompts(tx, "train")[0].id


def published(tx: Connection, letter: str) -> str:
    digest = letter * 64
    checkpoints.record_checkpoint(
        tx, digest=digest, kind="policy", round_id=None, parent=None, base={}
    )
    return digest


@pytest.fixture
def rated(store: Store) -> list[int]:
    """Three ratings: A over B, B over A, a tie that is both bad."""
    queued(store, 3)
    (ann,) = hired(store, "ann")
    saved = []
    for side, strength in (("left", 3), ("right", 1), (None, 0)):
        lease = leased(store, ann)
        shown = {"left": lease.left.response_id, "right": lease.right.response_id}
        verdict = ratings.Verdict(shown[side] if side else None, strength, both_bad=side is None)
        with store.write() as tx:
            saved.append(
                ratings.record_rating(
                    tx,
                    lease_id=lease.lease_id,
                    submission_id=lease.submission_id,
                    annotator_id=ann,
                    verdict=verdict,
                ).rating_id
            )
    return saved


def test_a_manifest_is_frozen_once_and_in_order(store: Store, rated: list[int]) -> None:
    with store.write() as tx:
        round_id = a_round(tx).id
        first = manifests.freeze_manifest(tx, round_id)
        author = ratings.rating(tx, rated[0]).annotator_id
        ratings.withdraw(tx, rated[0], author)
        again = manifests.freeze_manifest(tx, round_id)
        assert manifests.manifest(tx, first.digest) == first
        assert manifests.latest(tx) == first.digest
    assert again == first
    assert [entry[0] for entry in first.entries] == rated
    assert first.count == 3


def test_a_revision_makes_another_manifest(store: Store, rated: list[int]) -> None:
    with store.write() as tx:
        before = manifests.freeze_manifest(tx, a_round(tx).id)
        assert manifests.new_ratings_since(tx, before.digest) == 0
        said = ratings.rating(tx, rated[0])
        revised = ratings.revise_rating(
            tx,
            rating_id=said.id,
            annotator_id=said.annotator_id,
            verdict=ratings.Verdict(None, 0),
            submission_id="second thoughts",
        )
        after = manifests.freeze_manifest(tx, a_round(tx).id)
    assert after.digest != before.digest
    assert [entry[0] for entry in after.entries] == [*rated[1:], revised.rating_id]
    assert before.entries[1:] == after.entries[:-1], "what was not revised is listed as it was"


def test_new_ratings_are_those_on_comparisons_that_the_manifest_lacks(
    store: Store, rated: list[int]
) -> None:
    with store.write() as tx:
        assert manifests.new_ratings_since(tx, None) == 3
        author = ratings.rating(tx, rated[2]).annotator_id
        ratings.withdraw(tx, rated[2], author)
        digest = manifests.freeze_manifest(tx, a_round(tx).id).digest
        assert manifests.new_ratings_since(tx, digest) == 0
    queued(store, 1)


def test_labels_carry_the_texts_of_both_sides(store: Store, rated: list[int]) -> None:
    with store.write() as tx:
        digest = manifests.freeze_manifest(tx, a_round(tx).id).digest
        left, right, tie = manifests.labelled(tx, digest)
        kept = [ratings.rating(tx, one) for one in rated]
    for label, rating in zip((left, right, tie), kept, strict=True):
        assert (label.rating_id, label.strength) == (rating.id, rating.strength)
        assert label.prompt_messages[-1]["content"].startswith("Question ")
        low_is_preferred = rating.preferred == min(rating.order_shown)
        if label.tie:
            continue
        sides = (label.text_lo, label.text_hi)
        expected = sides if low_is_preferred else sides[::-1]
        assert (label.chosen_text, label.rejected_text) == expected
    assert (tie.tie, tie.both_bad, tie.chosen_text, tie.rejected_text) == (True, True, None, None)
    assert (left.tie, left.both_bad) == (False, False)


def test_an_unknown_manifest_is_not_found(store: Store) -> None:
    with store.read() as tx, pytest.raises(NotFound):
        manifests.labelled(tx, "f" * 64)


def test_an_alias_moves_only_from_where_it_was_expected(store: Store) -> None:
    with store.write() as tx:
        old, new = published(tx, "a"), published(tx, "b")
        checkpoints.move_alias(tx, "champion", old, None, "ann", "the first")
        with pytest.raises(Conflict, match="points at aaaaaaaa"):
            checkpoints.move_alias(tx, "champion", new, None, "bob", "mistaken")
        with pytest.raises(Conflict):
            checkpoints.move_alias(tx, "champion", new, new, "bob", "mistaken")
        with pytest.raises(NotFound):
            checkpoints.move_alias(tx, "champion", "f" * 64, old, "bob", "no such model")
        checkpoints.move_alias(tx, "champion", new, old, "bob", "it won")
        assert checkpoints.alias(tx, "champion") == new
        history = [
            (one.before, one.digest, one.actor, one.why)
            for one in checkpoints.alias_history(tx, "champion")
        ]
    assert history == [(None, old, "ann", "the first"), (old, new, "bob", "it won")]


def test_promotion_and_roll_back_exchange_champion_and_previous(store: Store) -> None:
    with store.write() as tx:
        old, new = published(tx, "a"), published(tx, "b")
        with pytest.raises(NotFound, match="no previous"):
            champion.roll_back(tx, actor="ann", why="too early")
        for digest in (old, new, new):
            champion.promote(tx, digest, actor="gate", why="it won")
        assert checkpoints.aliases(tx) == {"champion": new, "previous": old}
        assert champion.roll_back(tx, actor="ann", why="complaints") == old
        assert checkpoints.aliases(tx) == {"champion": old, "previous": new}


def test_checkpoints_are_named_by_alias_version_or_digest(store: Store) -> None:
    with store.write() as tx:
        first, second = published(tx, "a"), published(tx, "b")
        assert published(tx, "a") == first, "recording it again changes nothing"
        checkpoints.move_alias(tx, "champion", second, None, "gate", "it won")
        found = {ref: checkpoints.resolve(tx, ref).digest for ref in ("champion", "v0", "bbbbbbbb")}
        assert found == {"champion": second, "v0": first, "bbbbbbbb": second}
        for unknown in ("v2", "bbbbbbb", "winner", "", "v"):
            with pytest.raises(NotFound, match="champion"):
                checkpoints.resolve(tx, unknown)


def test_every_write_behind_an_old_fence_changes_nothing(store: Store) -> None:
    with store.write() as tx:
        round_id = a_round(tx).id
        old = rounds.claim(tx, round_id)
        rounds.start_step(tx, round_id, "ppo", old)
        new = rounds.claim(tx, round_id)
        before = rounds.round_(tx, round_id)
        zombie = (
            rounds.heartbeat(tx, round_id, old),
            rounds.report_progress(tx, round_id, old, "ppo", 1, 2, "half"),
            rounds.finish_step(tx, round_id, "ppo", old, {"by": "zombie"}),
            metrics.write_metrics(tx, round_id, old, "ppo", 0, {"kl": 1.0}),
            rounds.advance(
                tx, round_id, old, frm=State.COMPARISONS, to=State.COLLECTING, changes={}
            ),
        )
        assert zombie == (False,) * 5
        assert rounds.round_(tx, round_id) == before
        assert metrics.metrics(tx, round_id) == []
        assert rounds.heartbeat(tx, round_id, new)
        assert metrics.write_metrics(tx, round_id, new, "ppo", 0, {"kl": 1.0})
        assert rounds.finish_step(tx, round_id, "ppo", new, {"by": "owner"})
        assert not rounds.finish_step(tx, round_id, "ppo", new, {"by": "owner again"})
        finished = rounds.step(tx, round_id, "ppo")
    assert finished is not None
    assert finished.output == {"by": "owner"}


def test_a_round_moves_from_the_state_it_is_in_and_no_other(store: Store) -> None:
    with store.write() as tx:
        round_id = a_round(tx).id
        fence = rounds.claim(tx, round_id)
        moved = [
            rounds.advance(
                tx, round_id, fence, frm=State.COMPARISONS, to=State.COLLECTING, changes={}
            )
            for _ in range(2)
        ]
        assert moved == [True, False]
        with pytest.raises(ValueError, match="seed"):
            rounds.advance(
                tx, round_id, fence, frm=State.COLLECTING, to=State.FAILED, changes={"seed": 2}
            )
        assert rounds.advance(
            tx, round_id, fence, frm=State.COLLECTING, to=State.FAILED, changes={"error": "lost"}
        )
        ended = rounds.round_(tx, round_id)
        assert rounds.ended(tx, round_id)
        assert rounds.current_round(tx) is None
    assert (ended.state, ended.error) == ("failed", "lost")
    assert ended.finished_at is not None


def test_a_step_that_starts_again_counts_its_attempts(store: Store) -> None:
    with store.write() as tx:
        round_id = a_round(tx).id
        fence = rounds.claim(tx, round_id)
        assert [rounds.start_step(tx, round_id, "reward", fence) for _ in range(3)] == [1, 2, 3]


def test_figures_of_an_iteration_are_replaced_and_must_be_numbers(store: Store) -> None:
    with store.write() as tx:
        round_id = a_round(tx).id
        fence = rounds.claim(tx, round_id)
        for kl in (1.0, 2.0):
            metrics.write_metrics(tx, round_id, fence, "ppo", 3, {"kl": kl})
        assert metrics.metrics(tx, round_id) == [(3, {"kl": 2.0})]
        with pytest.raises(InputError, match="metrics"):
            metrics.write_metrics(tx, round_id, fence, "ppo", 4, {"kl": float("nan")})


def test_responses_of_an_iteration_are_replaced_and_read_newest_first(store: Store) -> None:
    def said(words: str) -> metrics.Sampled:
        return metrics.Sampled(prompt_id, words, score=0.5, kl=1.5, finished=True)

    with store.write() as tx:
        prompt_id = a_prompt(tx)
        round_id = a_round(tx).id
        fence = rounds.claim(tx, round_id)
        for words in ("lost with its worker", "drawn again"):
            metrics.keep_samples(tx, round_id, fence, 3, [said(words), said("second")])
        metrics.keep_samples(tx, round_id, fence, 4, [said("later")])
        assert not metrics.keep_samples(tx, round_id, fence - 1, 5, [said("a zombie's")])
        with pytest.raises(InputError, match="score"):
            metrics.keep_samples(
                tx, round_id, fence, 4, [metrics.Sampled(prompt_id, "x", float("nan"), 0.0, True)]
            )
        found = metrics.samples(tx, round_id, newest=2)
        assert metrics.samples(tx, round_id, newest=0) == []
    first, second = said("drawn again"), said("second")
    assert found == [(4, said("later")), (3, first), (3, second)]


def test_a_wish_waits_once_and_is_taken_once(store: Store) -> None:
    with store.write() as tx:
        for who in ("ann", "bob"):
            requests.ask(tx, "start_round", who)
        assert requests.waiting(tx, "start_round")
        taken = requests.take(tx, "start_round")
        assert taken is not None
        assert taken.by == "ann"
        assert requests.take(tx, "start_round") is None
        assert not requests.waiting(tx, "start_round")
