"""The database: the only code that speaks SQL, one module per aggregate.

`with store.write() as tx:` or `with store.read() as tx:`, then functions that say what a person
would: `queue.lease_next(tx, ...)`, `ratings.record_rating(tx, ...)`.
"""

from sqlalchemy import Connection

from rlhf.store.engine import Store, open_store

__all__ = ["Connection", "Store", "open_store"]
