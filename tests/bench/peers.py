"""What the full path is held against: a bare echo with the same crypto, and a WeRoBot echo."""

import os
import sys
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.channels.wechat_codec import Codec
from bot.settings import AccountSettings, Settings


def account() -> AccountSettings:
    """The account of the run, from the environment."""
    return Settings.from_env(os.environ).official


def bare() -> Starlette:
    """Signature, decrypt, parse, encrypted reply; no thought, no record."""
    codec = Codec(account(), name="official", max_age=600)

    async def echo(request: Request) -> Response:
        now = datetime.now(UTC)
        decoded = codec.decode(request.query_params.multi_items(), await request.body(), now=now)
        body = codec.encode(decoded.incoming, decoded.envelope, decoded.incoming.text, at=now)
        return Response(body.content, media_type=body.media_type)

    return Starlette(routes=[Route("/wechat/official", echo, methods=["POST"])])


def werobot() -> object:
    """WeRoBot's own echo, with its default session store."""
    from werobot import WeRoBot

    mine = account()
    robot = WeRoBot(token=mine.token, logger=None)
    robot.config["APP_ID"] = mine.app_id
    robot.config["ENCODING_AES_KEY"] = mine.encoding_aes_key

    @robot.text
    def echo(message: object, session: dict[str, int]) -> str:
        session["seen"] = session.get("seen", 0) + 1
        return str(getattr(message, "content", ""))

    return robot.wsgi


if __name__ == "__main__":
    sys.exit("these are applications for a server: tests.bench starts them")
