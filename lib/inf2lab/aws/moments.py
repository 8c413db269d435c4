"""A moment in the one form in which tags, schedules, scripts, records and people read it."""

from datetime import UTC, datetime


class Moment(datetime):
    """A point in time; as text it is UTC to the second, 2026-11-23T14:35:00Z, which `fromisoformat` reads."""

    def __str__(self) -> str:
        return self.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


NEVER = Moment(1, 1, 1, tzinfo=UTC)  # of what nobody here has written down
