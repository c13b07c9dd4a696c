"""Staff who work in the browser, as tests see them."""

import re
from html import unescape

import httpx
import sqlalchemy as sa
from argon2 import PasswordHasher

from bot.app import Program
from bot.core.permissions import Role
from bot.store.people import Staff

PASSWORD = "long-enough-2026"
_LINK = re.compile(r'readonly value="([^"]+)"')
_RECORD = re.compile(r"record\?number=([\w-]+)")
_FIELD = re.compile(r'name="(csrf|seen)" value="([^"]*)"')


class StaffMember:
    """Somebody with an account who looks at tickets and acts on them."""

    def __init__(self, program: Program, name: str, role: Role = Role.OPERATOR, *, email: str = "") -> None:
        self.program = program
        self.name = name
        self.http = httpx.Client(base_url=program.url, trust_env=False)
        hashed = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
        with program.ctx.transaction() as tx:
            tx.connection.execute(
                sa.insert(Staff).values(
                    name=name,
                    role=role.value,
                    password_hash=hashed,
                    must_change=False,
                    failures=0,
                    email=email,
                    created_at=tx.now,
                )
            )
        self.logs_in()

    def __enter__(self) -> "StaffMember":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def logs_in(self) -> None:
        """Begin a session."""
        answer = self.http.post("/admin/login", data={"name": self.name, "password": PASSWORD})
        assert answer.headers["location"] == "/admin/", answer.text

    def sees(self, number: str) -> str:
        """The page of a ticket."""
        answer = self.http.get(f"/admin/tickets/{number}")
        assert answer.status_code == 200, answer.text
        return unescape(answer.text)

    def form(self, number: str) -> dict[str, str]:
        """What every form of the ticket's page carries as it stands now."""
        return dict(_FIELD.findall(self.sees(number)))

    def steps(self, number: str, move: str, *, form: dict[str, str] | None = None, **data: str) -> str:
        """Make a move; gives the page that follows, or the one with the refusal."""
        return self.posts(number, "steps", {**(form or self.form(number)), "move": move, **data})

    def refers(self, number: str, provider: str, reason: str = "") -> str:
        """Refer to a provider of the library; gives the page that follows, or the one with the refusal."""
        return self.posts(number, "referrals", {**self.form(number), "provider": provider, "reason": reason})

    def link(self, number: str) -> str:
        """The link of the referral that is open, as the page shows it for copying."""
        found = _LINK.search(self.sees(number))
        assert found, "no referral is open"
        return found[1]

    def suggested(self, number: str) -> list[str]:
        """The providers that may be referred to now, best first."""
        section = self.sees(number).partition('id="suggestions"')[2].partition("</ol>")[0]
        return list(dict.fromkeys(_RECORD.findall(section)))

    def corrects(self, number: str, field: str, value: str, reason: str = "电话核实") -> str:
        """Correct a field; gives the page that follows."""
        return self.posts(
            number, "corrections", {**self.form(number), "field": field, "value": value, "reason": reason}
        )

    def posts(self, number: str, what: str, data: dict[str, str]) -> str:
        """Send a form of the ticket's page."""
        answer = self.http.post(f"/admin/tickets/{number}/{what}", data=data, follow_redirects=True)
        return unescape(answer.text)
