"""`python -m rlhf.cli`, where the `rlhf` script is not installed."""

from rlhf.cli import main

main()
