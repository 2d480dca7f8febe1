"""Store -> pages, scorecards and gradebook.csv: those that are not yet of what is current. Nothing is graded here."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from grader import __version__, content, likeness, report
from grader.errors import StoreError, UsageError
from grader.model import Gradebook, Scorecard, Similarity
from grader.store import PastRun, Store

CLASS_PAGE, TABLE = "index.html", "gradebook.csv"
LANGUAGE = "language"  # not a page: the language that the pages were last written in


def gradebook(store: Store, assignment: str | None = None) -> Gradebook:
    """The class as it is now: everybody's newest complete scorecard, with the points that people gave.

    Of the assignment with this id, else of the one that was graded last. Raises UsageError.
    """
    run = latest(store, assignment)
    cards = tuple(kept.card for kept in store.current(run.run.assignment))
    return Gradebook(
        assignment=run.run.assignment,
        title=run.run.environment.get("title", run.run.assignment),
        scorecards=cards,
        rubrics=run.run.environment.get("rubrics", {}),
        similarity=_alike(store.folder, {card.student_id for card in cards}),
    )


def _alike(folder: Path, students: Set[str]) -> Similarity | None:
    """Whose code is alike, of those who are in the gradebook."""
    kept = likeness.kept(folder)
    if kept is None or all(set(pair.students) <= students for pair in kept.pairs):
        return kept
    pairs = tuple(pair for pair in kept.pairs if set(pair.students) <= students)
    return kept.model_copy(update={"pairs": pairs, "found": kept.found - len(kept.pairs) + len(pairs)})


def latest(store: Store, assignment: str | None = None) -> PastRun:
    """The newest run, of an assignment or of any. Raises UsageError when there is none."""
    runs = [r for r in store.runs() if assignment in (None, r.run.assignment)]
    if not runs:
        raise UsageError(f"nothing has been graded in {store.folder}: run `grader grade` first.")
    return runs[-1]


def language(store: Store) -> str:
    """The language that the pages were last written in."""
    return store.pages().get(LANGUAGE, "en")


@dataclass(frozen=True)
class Look:
    """How pages are written: the assignment's title, the language, and where the phrases of the checks are."""

    title: str
    lang: str
    folders: tuple[Path, ...] = ()


def look(store: Store, lang: str, assignment: str | None = None) -> Look:
    """As the newest run has it, in a language."""
    run = latest(store, assignment).run
    plan = run.environment.get("plan", {})
    folders = tuple(Path(plan[key]) for key in ("assignment", "reference") if plan.get(key))
    return Look(run.environment.get("title", run.assignment), lang, folders)


def write_scorecard(store: Store, card: Scorecard, how: Look) -> None:
    """Write one student's page and scorecard, and note in the store of what they are."""
    with writing(store.folder):
        report.write_scorecard(card, store.folder, how.title, how.lang, how.folders)
    store.set_pages({_page(card): _source(card, how)})


def write(store: Store, book: Gradebook, how: Look) -> Path:
    """Write what is out of date; the path of the class's page. Raises StoreError when the folder cannot be written."""
    known = store.pages()
    sources = {_page(card): _source(card, how) for card in book.scorecards}
    stale = [c for c in book.scorecards if known.get(_page(c)) != sources[_page(c)] or not _there(c, store.folder)]
    with writing(store.folder):
        for card in stale:
            report.write_scorecard(card, store.folder, how.title, how.lang, how.folders)
        for path in known.keys() - sources.keys() - {CLASS_PAGE, LANGUAGE}:  # of whom the gradebook has no more
            (store.folder / path).unlink(missing_ok=True)
            (store.folder / "scorecards" / f"{Path(path).stem}.json").unlink(missing_ok=True)
    if stale:
        store.set_pages({_page(c): sources[_page(c)] for c in stale})
    alike = book.similarity.model_dump_json() if book.similarity else ""
    whole = _digest(json.dumps([how.title, how.lang, book.rubrics, alike, sorted(sources.items())]))
    page = store.folder / CLASS_PAGE
    if known.get(CLASS_PAGE) != whole or not (page.is_file() and (store.folder / TABLE).is_file()):
        with writing(store.folder):
            report.write_class(book, store.folder, how.lang, how.folders)
        store.set_pages({CLASS_PAGE: whole, LANGUAGE: how.lang})
    return page


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """What goes wrong with the disk, as a sentence: what was graded is in the store, and pages can be written again."""
    try:
        yield
    except OSError as e:
        raise StoreError(
            f"the pages in {folder} cannot be written ({e.strerror or e}). What was graded is kept: see to the disk "
            f"and its rights, then `grader report {folder}` writes them."
        ) from e


def _there(card: Scorecard, folder: Path) -> bool:
    name = report.file_name(card.student_id)
    return (folder / _page(card)).is_file() and (folder / "scorecards" / f"{name}.json").is_file()


def _page(card: Scorecard) -> str:
    """A page's path in the folder."""
    return f"students/{report.file_name(card.student_id)}.html"


def _source(card: Scorecard, how: Look) -> str:
    """A digest of all that a student's page shows."""
    return _digest(f"{how.title}\0{how.lang}\0{_form()}\0{card.model_dump_json(round_trip=True)}")


@cache
def _form() -> str:
    """What pages look like: the engine's version, and the templates, words and style that it ships."""
    files = sorted(p for p in content.folder("reports").iterdir() if p.is_file())
    return _digest(__version__ + "".join(_digest(p.read_text(encoding="utf-8")) for p in files))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
