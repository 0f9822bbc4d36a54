"""Every table, typed. A change here needs a migration beside it; a test compares the two.

Times are seconds since 1970 in UTC. Facts are appended: a correction is a new revision, a moved
alias a new row of its history. Counters are derived by queries, never incremented.
"""

from rlhf.store.schema.asking import (
    assignments,
    comparisons,
    flags,
    guidelines,
    guidelines_read,
    leases,
    prompts,
    ranking_people,
    ranking_responses,
    rankings,
    ratings,
    responses,
    skips,
)
from rlhf.store.schema.bringing import (
    answers,
    datasets,
    evaluations,
    passages,
)
from rlhf.store.schema.columns import (
    metadata,
)
from rlhf.store.schema.learning import (
    alias_moves,
    aliases,
    checkpoints,
    manifest_ratings,
    manifests,
    metrics,
    rounds,
    samples,
    steps,
)
from rlhf.store.schema.service import (
    events,
    facts,
    invites,
    people,
    requests,
    sessions,
    tokens,
)

__all__ = [
    "alias_moves",
    "aliases",
    "answers",
    "assignments",
    "checkpoints",
    "comparisons",
    "datasets",
    "evaluations",
    "events",
    "facts",
    "flags",
    "guidelines",
    "guidelines_read",
    "invites",
    "leases",
    "manifest_ratings",
    "manifests",
    "metadata",
    "metrics",
    "passages",
    "people",
    "prompts",
    "ranking_people",
    "ranking_responses",
    "rankings",
    "ratings",
    "requests",
    "responses",
    "rounds",
    "samples",
    "sessions",
    "skips",
    "steps",
    "tokens",
]
