"""Refusals: what somebody asked for cannot be done, said with a stable code and words for people."""


class RefusedError(Exception):
    """Something was refused; `code` is stable, `message` is Simplified Chinese for the person who asked."""

    status = 400

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NotFoundError(RefusedError):
    """There is no such thing, or it is not yours."""

    status = 404


class ConflictError(RefusedError):
    """The thing is no longer in the state that the request assumed."""

    status = 409


class ForbiddenError(RefusedError):
    """You may not do this."""

    status = 403


class SettingsError(RefusedError):
    """The settings cannot work; the message names the setting and the mend."""
