"""What people see: rating, operating, checkpoints, sign-in, and the REST API behind them.

Keeps no truth in memory: every answer comes from the store. Imports neither torch nor Ray.
"""
