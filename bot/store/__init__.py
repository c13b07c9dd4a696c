"""Tables and queries; importing this package makes the metadata whole."""

from bot.store import audit, base, clocks, conversations, delivery, knowledge, libraries, people, tickets

__all__ = [
    "audit",
    "base",
    "clocks",
    "conversations",
    "delivery",
    "knowledge",
    "libraries",
    "people",
    "tickets",
]
