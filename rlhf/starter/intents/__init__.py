"""The 48 intents of the starter's world: data only, six to a module."""

from __future__ import annotations

from rlhf.starter.intents import (
    account,
    care,
    delivery,
    orders,
    parcels,
    payment,
    returns,
    shop,
)
from rlhf.starter.intents.intent import HELDOUT_ASKS, Intent

INTENTS: dict[str, Intent] = {
    intent.name: intent
    for group in (orders, delivery, parcels, returns, payment, account, shop, care)
    for intent in group.INTENTS
}
"""Every intent by name, in a fixed order."""

HELDOUT_INTENTS = (
    "order-minimum",
    "missed-delivery",
    "packaging",
    "return-sale",
    "gift-card",
    "newsletter",
    "parking",
    "price-match",
)
"""One intent of each module: the base has seen them, the loop's training prompts never hold one."""

__all__ = ["HELDOUT_ASKS", "HELDOUT_INTENTS", "INTENTS", "Intent"]
