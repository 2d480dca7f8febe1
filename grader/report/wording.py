"""The texts of the pages in one language, and dates as that language writes them."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from functools import cache

from grader import content

LANGUAGES = ("en", "zh-TW")


class Strings:
    """The texts of one language, by key: `t("student.pending", points=5)`. A missing key or value is an error."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        path = content.folder("reports") / f"{lang}.toml"
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        self.texts: dict[str, str] = {
            f"{group}.{key}": v for group, table in tables.items() for key, v in table.items()
        }

    def __call__(self, key: str, **values: object) -> str:
        """The text under `key`, with its words in braces filled in."""
        return self.texts[key].format(**values)

    def date(self, moment: datetime) -> str:
        """A date and time in UTC: "22 Nov 2026, 09:05 UTC". A moment without a zone is taken for UTC."""
        at = moment.astimezone(UTC) if moment.tzinfo else moment
        month = self(f"month.{at.month}")
        return self("page.date", year=at.year, month=month, day=at.day, time=f"{at:%H:%M}")


strings = cache(Strings)
