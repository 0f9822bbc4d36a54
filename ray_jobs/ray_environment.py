"""What a private Ray cluster must find in its environment before its processes start.

Ray and the C library read these once, when they are loaded; so whoever starts the driver sets them.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

KEPT_MEMORY = {
    "GLIBC_TUNABLES": ":".join(
        (
            "glibc.malloc.hugetlb=1",
            f"glibc.malloc.mmap_threshold={2**28}",
            f"glibc.malloc.trim_threshold={2**30}",
        )
    )
}
"""Freed memory stays in the process, in huge pages: every step asks for the same sizes again, and
what went back to the kernel would come again page by page (tests/benchmarks/README.md)."""

KEPT_IDLE_MS = 600_000
"""An idle worker is kept for the step's next task: what it has imported took it seconds."""


def private_environment(home: Path) -> dict[str, str]:
    """Variables of a driver whose cluster is its own: a token, no telemetry, quick to notice.

    Its workers inherit them.
    """
    return {
        **KEPT_MEMORY,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(_token_file(home)),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
        "RAY_idle_worker_killing_time_threshold_ms": str(KEPT_IDLE_MS),
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def _token_file(home: Path) -> Path:
    """A secret that this user alone can read, made once per home."""
    file = home / "run" / "ray_token"
    if not file.exists():
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as token:
            token.write(secrets.token_hex(32))
    return file
