"""The Sender of a WeChat account: customer messages, one at a time per contact."""

import threading
import zlib

from bot.channels.wechat_api import WeChatApi
from bot.ports import Outcome

_STRIPES = 64


class WeChatSender:
    """Fulfils bot.ports.Sender for one account."""

    def __init__(self, account: str, api: WeChatApi) -> None:
        self.account = account
        self._api = api
        # The platform refuses concurrent sends to one contact (43108).
        self._locks = tuple(threading.Lock() for _ in range(_STRIPES))

    def send_text(self, openid: str, text: str) -> Outcome:
        """Send one text of at most 2,048 bytes of UTF-8; never raises for what the platform answers."""
        with self._locks[zlib.crc32(openid.encode(errors="replace")) % _STRIPES]:
            return self._api.send_text(openid, text)

    def typing(self, openid: str) -> Outcome:
        """Show 对方正在输入 for up to 15 s, or until a message is sent; best effort."""
        return self._api.typing(openid, is_miniprogram=self.account == "miniprogram")

    def close(self) -> None:
        """Give the connections back."""
        self._api.close()
