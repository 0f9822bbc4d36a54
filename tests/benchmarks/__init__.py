"""Benchmarks: each module measures one thing and is run as `python -m tests.benchmarks.NAME`."""
