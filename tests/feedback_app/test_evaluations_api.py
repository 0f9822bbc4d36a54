"""Evaluations over REST: for operators alone, with what people said up to now."""

from __future__ import annotations

import pytest

from rlhf.evaluation import kept
from rlhf.evaluation.standing import as_it_stands, folder_of
from tests.evaluated import NEW, OLD, kept_evaluation, told
from tests.feedback_app.conftest import Site
from tests.seeded import hired, rated


def test_a_report_comes_with_peoples_newest_verdicts(site: Site) -> None:
    number = kept_evaluation(site.store, told(), contests=3)
    olga = site.signed_in("olga", "operator")
    rated(site.store, *hired(site.store, "ann"))
    (listed,) = olga.get("/api/v1/evaluations").json()["evaluations"]
    assert (listed["id"], listed["kind"], listed["checkpoints"]) == (
        number,
        "evaluation",
        [OLD, NEW],
    )
    report = olga.get(f"/api/v1/evaluations/{number}").json()["report"]
    assert (report["people"]["rated"], report["people"]["outstanding"]) == (1, 2)


def test_files_of_a_report_are_downloads_and_nothing_beside_them_is_served(site: Site) -> None:
    number = kept_evaluation(site.store, told())
    folder = folder_of(site.home, number)
    folder.mkdir(parents=True, exist_ok=True)
    with site.store.read() as tx:
        kept.write(as_it_stands(tx, number), folder)
    (folder / "secret.txt").write_text("not a report's")
    olga = site.signed_in("olga", "operator")
    files = olga.get(f"/api/v1/evaluations/{number}").json()["files"]
    assert "report.md" in files
    assert "secret.txt" not in files
    plot = olga.get(f"/api/v1/evaluations/{number}/files/lengths.png")
    assert plot.content[:4] == b"\x89PNG"
    assert plot.headers["content-disposition"].startswith("attachment")
    for name in ("secret.txt", "..%2Frlhf.db", "none.png"):
        assert olga.get(f"/api/v1/evaluations/{number}/files/{name}").status_code == 404
    assert olga.get("/api/v1/evaluations/99/files/report.md").status_code == 404


@pytest.mark.parametrize("role", ["annotator", "reader"])
def test_who_rates_or_pulls_sees_no_evaluation(site: Site, role: str) -> None:
    """An annotator who knew the figures would not judge blind."""
    number = kept_evaluation(site.store, told())
    ann = site.signed_in("ann", role)
    for path in ("", f"/{number}", f"/{number}/files/report.md"):
        assert ann.get(f"/api/v1/evaluations{path}").status_code == 403
    assert ann.get("/evaluation/").status_code == 403
