"""Supervised fine-tuning: which tokens are learned, and TRL's SFTTrainer that learns them.

`rows` turns a cleaned data set into token ids and labels, `training` trains an adapter on them so
that a kill costs nothing. One process, no Ray, no database: `ray_jobs.sft_job` drives it.
"""

MICRO_BATCH = 8
"""Rows per forward pass: bounds memory."""
