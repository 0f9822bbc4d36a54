"""Published checkpoints: immutable folders named by the digest of what is in them.

`publish` makes one, `verify` reads it back, `rlhf.registry.pulling` hands it to product teams.
The database says which checkpoints exist and where the aliases point; the bytes live here.
"""

from rlhf.registry.publishing import MANIFEST, checkpoint_path, publish, verify

__all__ = ["MANIFEST", "checkpoint_path", "publish", "verify"]
