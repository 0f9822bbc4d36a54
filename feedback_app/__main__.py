"""`python -m feedback_app --home H --host 127.0.0.1 --port 7860`: the web process."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import uvicorn

from feedback_app.app import create_app
from rlhf.errors import RLHFError, UsageError
from rlhf.settings import Settings, load_settings
from rlhf.store import open_store

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
THREADS_S = 5
"""Seconds that open requests have to end after SIGTERM."""


def main() -> int:
    """Serve one home until SIGTERM."""
    parser = argparse.ArgumentParser(prog="feedback_app", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7860)
    asked = parser.parse_args()
    os.umask(0o077)
    try:
        settings = load_settings(asked.home)
        refuse_open_door(asked.host, settings)
        store = open_store(asked.home, settings.database)
    except RLHFError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    uvicorn.run(
        create_app(store, settings, asked.home),
        host=asked.host,
        port=asked.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=THREADS_S,
        forwarded_allow_ips="127.0.0.1" if settings.web.behind_tls_proxy else "",
    )
    store.close()
    return 0


def refuse_open_door(host: str, settings: Settings) -> None:
    """Raise UsageError for an address beyond loopback without TLS in front and named hosts."""
    if host in LOOPBACK:
        return
    named = set(settings.web.allowed_hosts) != set(type(settings.web)().allowed_hosts)
    if not settings.web.behind_tls_proxy or not named:
        raise UsageError(
            f"{host} can be reached from other machines. Put a TLS proxy in front and say so: "
            "set web.behind_tls_proxy = true and web.allowed_hosts in rlhf.toml"
        )


if __name__ == "__main__":
    sys.exit(main())
