"""Who may do what: roles, rights, and which role holds which right."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Roles of the documents (requirements, Roles)."""

    OPERATOR = "operator"  # 运营/技术支持


class Right(StrEnum):
    """What somebody may do."""

    SEE_TICKETS = "see-tickets"
    SEE_CONVERSATIONS = "see-conversations"
    HANDLE_TICKETS = "handle-tickets"
    EDIT_LIBRARIES = "edit-libraries"  # import and export, and see how people are reached


_RIGHTS: dict[Role, frozenset[Right]] = {
    Role.OPERATOR: frozenset(
        {Right.SEE_TICKETS, Right.SEE_CONVERSATIONS, Right.HANDLE_TICKETS, Right.EDIT_LIBRARIES}
    ),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who is logged in."""

    id: int
    name: str
    role: Role
    must_change: bool = False  # the first password is still in use: nothing else may be done

    def may(self, right: Right) -> bool:
        """Does the role hold this right?"""
        return right in _RIGHTS[self.role] and not self.must_change
