"""How a server is run: limits that keep it alive, and who may ask."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Limits of a server.

    Attributes:
        max_upload_bytes: of one recording.
        max_seconds: of one recording.
        upload_seconds: in which an upload must have arrived.
        workers: recordings that are worked on at once, each in a thread.
        waiting: further ones that are received or wait; more are turned away with 503.
        held_bytes: of all uploads in memory together; more are turned away with 503.
        batch_windows: windows after which a batch is full.
        api_key: what clients must show; None lets everybody ask.
        hosts: names under which the server answers, against pages of others that resolve to this machine (DNS
            rebinding); empty for any.
    """

    max_upload_bytes: int = 32 * MIB
    max_seconds: float = 300.0
    upload_seconds: float = 60.0
    workers: int = 4
    waiting: int = 32
    held_bytes: int = 256 * MIB
    batch_windows: int = 64
    api_key: str | None = None
    hosts: tuple[str, ...] = ()
