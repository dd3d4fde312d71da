"""Who may read and who may write: keys, compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import blake2b

from recommender import Settings
from recommender.errors import EventsClosed, InvalidKey, NotAllowed, ReadOnly

REMEDY = "Send one as Authorization: Bearer KEY, or as X-API-Key: KEY"


class Keys:
    """The keys of one instance."""

    def __init__(self, settings: Settings) -> None:
        self._readers = [_digest(key.encode()) for key in settings.read_keys]
        self._writers = [_digest(key.encode()) for key in settings.write_keys]
        self._open_to_events = settings.events

    @property
    def are_for_reading(self) -> bool:
        """Whether reading needs a key at all."""
        return bool(self._readers)

    def is_known(self, given: bytes) -> bool:
        """Whether it is one of the keys; all are compared to their ends."""
        return _is_among(given, [*self._readers, *self._writers])

    def check_read(self, given: bytes | None) -> None:
        """Raises InvalidKey unless ``given`` may read: any key, or none where none is set."""
        if self._readers:
            self._check_known(given)

    def check_write(self, given: bytes | None) -> None:
        """Raises ReadOnly where nobody may write, InvalidKey or NotAllowed where this one may not.

        Every key is compared to its end, whichever fits, so that the time tells nothing.
        """
        if not self._writers:
            raise ReadOnly(
                "this server has no write key, so it takes no writes",
                remedy="Set RECOMMENDER_WRITE_KEYS where it runs to a key of yours, start it again"
                " and send that key",
            )
        self._check_known(given)
        if not _is_among(given, self._writers):
            raise NotAllowed("this key may only read", remedy="Use a write key")

    def check_events(self, given: bytes | None) -> None:
        """Raises EventsClosed, InvalidKey or NotAllowed where ``given`` may send no events.

        A write key may; where events are open, so may whoever may read.
        """
        if _is_among(given, self._writers):
            return
        if self._open_to_events:
            self.check_read(given)
            return
        if given is not None and self._writers:
            self.check_write(given)
        raise EventsClosed(
            "this server takes events from write keys only",
            remedy="Send a write key, or set RECOMMENDER_EVENTS=open where it runs to take them"
            " from whoever may read",
        )

    def _check_known(self, given: bytes | None) -> None:
        if given is None:
            raise InvalidKey("a key is needed here", remedy=REMEDY)
        if not self.is_known(given):
            raise InvalidKey("this key is not one of the server's", remedy=REMEDY)


def _is_among(given: bytes | None, digests: Iterable[bytes]) -> bool:
    digest = _digest(given or b"")
    found = False
    for known in digests:
        found |= hmac.compare_digest(digest, known)
    return found


def _digest(key: bytes) -> bytes:
    """A key as it is compared: the time that takes does not even tell its length."""
    return blake2b(key).digest()
