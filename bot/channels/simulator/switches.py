"""Faults that the local platform plays on demand."""

import threading
from dataclasses import dataclass

FAULTS = {
    "-1": "系统繁忙",
    "40001": "access_token 失效",
    "45015": "超出回复时限",
    "45047": "客服消息条数用尽",
    "40164": "IP 不在白名单",
    "html": "返回网页而不是 JSON",
    "http-502": "网关错误",
    "slow": "处理了，但回应太慢",
    "silence": "没有回应",
}
"""What the simulator's page offers; any other errcode or http-5xx can be switched on too."""


@dataclass(slots=True)
class Fault:
    """One fault: on every call, or on the next `times`; on calls whose path contains `path`."""

    name: str
    times: int | None
    path: str
    seconds: float  # how long slow and silence last


class Switches:
    """Which faults are on; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def turn_on(self, name: str, *, times: int | None = None, path: str = "", seconds: float = 6.0) -> None:
        """Play the fault from now on; `times` None: until it is turned off.

        Without a path it meets customer messages, or token calls where only these can fail so.
        """
        path = path or ("token" if name == "40164" else "custom/send")
        with self._lock:
            self._faults.append(Fault(name, times, path, seconds))

    def turn_off(self, name: str = "") -> None:
        """Stop that fault; without a name, all."""
        with self._lock:
            self._faults = [fault for fault in self._faults if name and fault.name != name]

    def on(self) -> tuple[str, ...]:
        """The names of the faults that are on."""
        with self._lock:
            return tuple(fault.name for fault in self._faults)

    def draw(self, path: str) -> Fault | None:
        """The fault to play on this call; one with a count is used up by it."""
        with self._lock:
            fault = next((fault for fault in self._faults if fault.path in path), None)
            if fault is not None and fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
            return fault
