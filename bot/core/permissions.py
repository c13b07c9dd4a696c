"""Who may do what: roles, rights, and which role holds which right."""

from dataclasses import dataclass
from enum import StrEnum

from bot.core.ticket_states import Party


class Role(StrEnum):
    """Roles of the documents (requirements, Roles); providers act by link and have none."""

    OPERATOR = "operator"  # 运营/技术支持
    HEAD = "head"  # 负责人
    STAFF = "staff"  # 工作人员
    MAINTAINER = "maintainer"  # 知识维护
    COORDINATOR = "coordinator"  # 统筹部门
    EVALUATOR = "evaluator"  # 第三方评价: reads, changes nothing


class Right(StrEnum):
    """What somebody may do."""

    SEE_TICKETS = "see-tickets"
    SEE_CONVERSATIONS = "see-conversations"
    SEE_CONTACTS = "see-contacts"  # the phone numbers of enterprises, unmasked
    HANDLE_TICKETS = "handle-tickets"
    EDIT_LIBRARIES = "edit-libraries"  # import and export, and see how people are reached
    EDIT_CLOCKS = "edit-clocks"  # rules of deadlines, calendar, closures
    RUN_CHANNELS = "run-channels"  # outbox and dead letters
    EDIT_ACCOUNTS = "edit-accounts"
    SEE_AUDIT = "see-audit"  # who did what, and who looked at what is masked
    LEAD = "lead"  # act on tickets as 负责人
    EDIT_KNOWLEDGE = "edit-knowledge"  # drafts of entries, synonyms
    PUBLISH_KNOWLEDGE = "publish-knowledge"  # review drafts and put them live
    OVERRIDE_GATE = "override-gate"  # publish against the gate, or one's own draft, with a reason


_RIGHTS: dict[Role, frozenset[Right]] = {
    # Whoever runs the system decides no dispute: leading is the head's alone (GB/T 19012-2019, 7.9).
    Role.OPERATOR: frozenset(Right) - {Right.LEAD, Right.OVERRIDE_GATE},
    Role.HEAD: frozenset(
        {
            Right.SEE_TICKETS,
            Right.SEE_CONVERSATIONS,
            Right.SEE_CONTACTS,
            Right.HANDLE_TICKETS,
            Right.EDIT_CLOCKS,
            Right.SEE_AUDIT,
            Right.LEAD,
            Right.EDIT_KNOWLEDGE,
            Right.PUBLISH_KNOWLEDGE,
            Right.OVERRIDE_GATE,
        }
    ),
    Role.STAFF: frozenset(
        {Right.SEE_TICKETS, Right.SEE_CONVERSATIONS, Right.SEE_CONTACTS, Right.HANDLE_TICKETS}
    ),
    Role.MAINTAINER: frozenset(
        {Right.SEE_TICKETS, Right.SEE_CONVERSATIONS, Right.EDIT_KNOWLEDGE, Right.PUBLISH_KNOWLEDGE}
    ),
    Role.COORDINATOR: frozenset({Right.SEE_TICKETS, Right.EDIT_LIBRARIES, Right.SEE_AUDIT}),
    Role.EVALUATOR: frozenset({Right.SEE_TICKETS}),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who is logged in."""

    id: int
    name: str
    role: Role
    must_change: bool = False  # the first password is still in use: nothing else may be done

    @property
    def party(self) -> Party:
        """As whom they act on tickets."""
        return Party.HEAD if self.may(Right.LEAD) else Party.STAFF

    def may(self, right: Right) -> bool:
        """Does the role hold this right?"""
        return right in _RIGHTS[self.role] and not self.must_change
