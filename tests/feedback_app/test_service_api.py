"""Operators ask for rounds; product teams list, fetch and pull checkpoints with a token."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import AutoPeftModelForCausalLM
from transformers import GenerationConfig

from feedback_app.__main__ import refuse_open_door
from rlhf.durable import file_digest
from rlhf.errors import Forbidden, NotFound, RLHFError, UsageError
from rlhf.home import make_home
from rlhf.registry import remote
from rlhf.rounds import State
from rlhf.settings import Settings, Web
from rlhf.store import Store, checkpoints, metrics, people, prompts, requests, rounds
from tests import served
from tests.feedback_app.conftest import Site
from tests.lively import learned
from tests.published import publish_policy
from tests.seeded import queued

PROMPT = torch.tensor([[5, 6, 7, 8, 9]])


@pytest.fixture
def champion(site: Site, tiny_llama: Path) -> str:
    publish_policy(site.store, site.home, tiny_llama)
    return "champion"


def test_product_teams_read_the_whole_model_card_with_a_token(site: Site, champion: str) -> None:
    reader = site.with_token("shop-team", "reader")
    told = reader.get(f"/api/v1/checkpoints/{champion}/card")
    assert told.headers["content-type"].startswith("text/plain")
    assert "AutoPeftModelForCausalLM" in told.text
    assert "It has not been checked by `rlhf bias` yet." in told.text
    merged = reader.get(f"/api/v1/checkpoints/{champion}/card?merged=true").text
    assert 'library_name: "transformers"' in merged
    assert reader.get("/api/v1/checkpoints/v99/card").status_code == 404


def test_operators_see_where_the_loop_stands_and_ask_for_a_round_once(site: Site) -> None:
    olga = site.signed_in("olga", "operator")
    before = olga.get("/api/v1/status").json()
    assert (before["round"], before["new_ratings"], before["hold"]) == (None, 0, None)
    assert olga.post("/api/v1/rounds").json() == {"asked": True}
    again = olga.post("/api/v1/rounds")
    assert again.status_code == 409
    assert "asked for already" in again.json()["error"]
    with site.store.write() as tx:
        taken = requests.take(tx, "start_round")
    assert taken is not None
    assert taken.by == "olga"


def test_figures_of_a_round_are_listed_in_order(site: Site) -> None:
    with site.store.write() as tx:
        one = rounds.create_round(
            tx, settings={}, base={}, start_checkpoint="c" * 64, seed=1, requested_by="test"
        )
        fence = rounds.claim(tx, one.id)
        for iteration in (2, 0, 1):
            figures = {"objective/kl": float(iteration)}
            metrics.write_metrics(tx, one.id, fence, "ppo", iteration, figures)
    olga = site.signed_in("olga", "operator")
    told = olga.get(f"/api/v1/rounds/{one.id}/metrics").json()["iterations"]
    assert told == [{"iteration": i, "objective/kl": float(i)} for i in range(3)]
    assert olga.get("/api/v1/rounds/999/metrics").status_code == 404


def test_operators_read_what_ppo_drew_last(site: Site) -> None:
    queued(site.store, 1)
    with site.store.write() as tx:
        prompt_id = prompts.split_prompts(tx, "train")[0].id
        one = rounds.create_round(
            tx, settings={}, base={}, start_checkpoint="c" * 64, seed=1, requested_by="test"
        )
        fence = rounds.claim(tx, one.id)
        for iteration in (1, 2):
            drawn = [metrics.Sampled(prompt_id, f"<b>{iteration}</b>", 1.5, 0.25, finished=False)]
            metrics.keep_samples(tx, one.id, fence, iteration, drawn)
    path = f"/api/v1/rounds/{one.id}/samples"
    expected = {
        "iteration": 2,
        "prompt_id": prompt_id,
        "response": "<b>2</b>",
        "score": 1.5,
        "kl": 0.25,
        "finished": False,
    }
    olga = site.signed_in("olga", "operator")
    assert olga.get(path).json() == {"samples": [expected]}
    assert len(olga.get(path, params={"newest": 5}).json()["samples"]) == 2
    assert olga.get("/api/v1/rounds/999/samples").status_code == 404
    assert olga.get(path, params={"newest": -1}).status_code == 422
    assert site.signed_in("ann", "annotator").get(path).status_code == 403


@pytest.mark.parametrize("number", ["0", "-1", str(2**63), "9" * 30, "one"])
def test_a_number_that_nothing_can_have_is_refused_in_words(site: Site, number: str) -> None:
    olga = site.signed_in("olga", "operator")
    answers = [
        olga.get(f"/api/v1/{path}")
        for path in (
            f"ratings/{number}",
            f"evaluations/{number}",
            f"evaluations/{number}/files/report.json",
            f"rounds/{number}/metrics",
            f"rounds/{number}/reward",
            f"rounds/{number}/samples",
        )
    ]
    answers += [
        olga.post(f"/api/v1/rounds/{number}/overrule", json={"why": "it is fine"}),
        olga.post(f"/api/v1/ratings/{number}/revise", json={"submission_id": "x", "choice": 1}),
        olga.post("/api/v1/flags", json={"rating_id": number, "note": "look"}),
        olga.post("/api/v1/guidelines/read", json={"version": number}),
    ]
    for answer in answers:
        assert answer.status_code == 422, answer.url
        assert re.search("number|rating_id|round_id|version", answer.json()["error"]), answer.url


def test_every_published_byte_can_be_fetched_with_a_token(site: Site, champion: str) -> None:
    reader = site.with_token("rita", "reader")
    listed = reader.get("/api/v1/checkpoints").json()
    told = reader.get(f"/api/v1/checkpoints/{champion}").json()
    assert listed["aliases"] == {"champion": told["digest"]}
    assert [one["version"] for one in listed["checkpoints"]] == [0]
    places = {"files": told["files"], "base": told["base"]["files"]}
    assert {one["name"] for one in told["files"]} >= {"adapter_model.safetensors", "README.md"}
    assert "model.safetensors" in {one["name"] for one in told["base"]["files"]}
    for place, files in places.items():
        for one in files:
            path = f"/api/v1/checkpoints/{told['digest']}/{place}/{one['name']}"
            body = reader.get(path)
            assert hashlib.sha256(body.content).hexdigest() == one["sha256"]
            assert len(body.content) == one["size"]
            assert reader.head(path).status_code == 200


def test_a_base_is_hashed_once_until_it_changes(
    site: Site, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_llama, base)
    publish_policy(site.store, site.home, base)
    hashed: list[str] = []

    def digest(file: Path) -> str:
        hashed.append(file.name)
        return file_digest(file)

    monkeypatch.setattr("feedback_app.api_service.file_digest", digest)
    reader = site.with_token("rita", "reader")
    first, again = (reader.get("/api/v1/checkpoints/champion").json() for _ in range(2))
    assert first == again
    assert sorted(hashed) == sorted(one["name"] for one in first["base"]["files"])
    hashed.clear()
    (base / "config.json").write_text((base / "config.json").read_text() + "\n")
    changed = reader.get("/api/v1/checkpoints/champion").json()
    assert hashed == ["config.json"]
    assert changed["base"]["files"] != first["base"]["files"]


@pytest.mark.parametrize(
    "path",
    [
        "winner",
        "champion/files/nothing",
        "champion/files/..%2f..%2frlhf.db",
        "champion/files/%2e%2e%2f%2e%2e%2frlhf.db",
        "champion/base/..%2f..%2fpasswd",
        "champion/base/nothing.json",
    ],
)
def test_what_was_not_published_is_not_there(site: Site, champion: str, path: str) -> None:
    reader = site.with_token("rita", "reader")
    assert reader.get(f"/api/v1/checkpoints/{path}").status_code == 404


def test_a_bad_token_is_refused_even_with_a_good_session(site: Site, champion: str) -> None:
    client = site.signed_in("olga", "operator")
    assert client.get("/api/v1/checkpoints").status_code == 200
    for token in ("rlhf_wrong", "x", "'; DROP TABLE tokens; --", "\u00e9"):
        answer = client.get(
            "/api/v1/checkpoints", headers={b"authorization": f"Bearer {token}".encode()}
        )
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.slow
def test_a_champion_pulled_from_another_machine_is_loaded_by_plain_peft(
    home: Path, store: Store, tiny_llama: Path, tmp_path: Path
) -> None:
    make_home(home)
    policy = publish_policy(store, home, tiny_llama)
    with store.write() as tx:
        people.add_person(tx, "rita", "reader")
        token = people.issue_token(tx, "rita")
        checkpoints.add_figures(tx, str(checkpoints.alias(tx, "champion")), {"temperature": 0.7})
    seen: list[tuple[int, int]] = []
    with served.Web(home) as web:
        digest = remote.pull(
            web.url,
            "champion",
            tmp_path / "pulled",
            token=token,
            progress=lambda done, total, _: seen.append((done, total)),
        )
        with pytest.raises(Forbidden, match="refuses this token"):
            remote.pull(web.url, "champion", tmp_path / "no", token="rlhf_wrong")
        with pytest.raises(NotFound, match="'winner'"):
            remote.pull(web.url, "winner", tmp_path / "no", token=token)
    with pytest.raises(RLHFError, match="cannot be reached"):
        remote.pull(web.url, "champion", tmp_path / "no", token=token)
    assert not (tmp_path / "no").exists()
    assert seen[-1][0] == seen[-1][1] > 0
    assert (home / "checkpoints" / digest).is_dir()
    assert GenerationConfig.from_pretrained(tmp_path / "pulled").temperature == 0.7
    loaded = AutoPeftModelForCausalLM.from_pretrained(str(tmp_path / "pulled"))
    with torch.no_grad():
        mine = policy.logits(policy.hidden("policy", PROMPT, torch.ones_like(PROMPT)))
        assert torch.allclose(loaded(input_ids=PROMPT).logits, mine, atol=1e-5)


def test_no_door_is_opened_to_the_network_without_a_proxy_in_front() -> None:
    proxied = Web(behind_tls_proxy=True, allowed_hosts=("rlhf.example.org",))
    for closed in (Web(), Web(behind_tls_proxy=True), Web(allowed_hosts=("rlhf.example.org",))):
        with pytest.raises(UsageError, match="TLS proxy"):
            refuse_open_door("0.0.0.0", Settings(web=closed))
    refuse_open_door("127.0.0.1", Settings())
    refuse_open_door("0.0.0.0", Settings(web=proxied))


@pytest.mark.slow
def test_the_web_process_refuses_to_listen_everywhere(home: Path) -> None:
    command = [sys.executable, "-m", "feedback_app", "--home", str(home), "--host", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: 0.0.0.0 can be reached from other machines")
    assert not (home / "rlhf.db").exists()


def test_operators_read_a_reward_report_and_overrule_its_gate_with_a_reason(site: Site) -> None:
    with site.store.write() as tx:
        one = rounds.create_round(
            tx, settings={}, base={}, start_checkpoint="c" * 64, seed=1, requested_by="test"
        )
        fence = rounds.claim(tx, one.id)
    olga = site.signed_in("olga", "operator")
    untrained = olga.get(f"/api/v1/rounds/{one.id}/reward")
    assert untrained.status_code == 404
    assert "has not trained reward models yet" in untrained.json()["error"]
    decision = {"gate": "reward", "passed": False, "reasons": ["too few"]}
    with site.store.write() as tx:
        rounds.start_step(tx, one.id, State.REWARD, fence)
        rounds.finish_step(tx, one.id, State.REWARD, fence, {"report": learned().to_json()})
        changes = {"decision": decision, "reward_checkpoints": {"ensemble": "e" * 64}}
        rounds.advance(tx, one.id, fence, frm=one.state, to=State.REFUSED, changes=changes)
    assert olga.get(f"/api/v1/rounds/{one.id}/reward").json()["ensemble"]["value"] == 0.74
    path = f"/api/v1/rounds/{one.id}/overrule"
    assert olga.post(path, json={"why": ""}).status_code == 422
    assert olga.post(path, json={"why": "read fifty pairs"}).json() == {"overruled": True}
    assert olga.post(path, json={"why": "once more"}).status_code == 409
    with site.store.read() as tx:
        now = rounds.round_(tx, one.id)
    assert now.state == State.PPO
    assert now.decision["override"] == {"by": "olga", "why": "read fifty pairs"}
    ann = site.signed_in("ann", "annotator")
    assert ann.post(path, json={"why": "because I can"}).status_code == 403
    assert ann.get(f"/api/v1/rounds/{one.id}/reward").status_code == 403
