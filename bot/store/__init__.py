"""Tables and queries; importing this package makes the metadata whole."""

from bot.store import audit, base, conversations, delivery, knowledge, people, tickets

__all__ = ["audit", "base", "conversations", "delivery", "knowledge", "people", "tickets"]
