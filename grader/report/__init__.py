"""Scorecard and Gradebook -> HTML pages, CSV and JSON.

Every page is one file that asks nothing of any network: style, script and charts are inside, and a content security
policy with their hashes lets nothing else run. What students wrote is only ever escaped text. `python -m grader.report`
prints the JSON Schema of a scorecard.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup, escape

from grader import charts, content, window
from grader.model import Gradebook, ModelResult, QuestionResult, Scorecard, Verdict, Visibility
from grader.report import compiled, failures, items, layout, networks, phrases, summary, table
from grader.report.wording import Strings, strings
from grader.text import brief, clip, plain

STUDENT_BYTES = 250_000
CLASS_BYTES = 1_000_000
SHARES = (1.0, 0.5, 0.25, 0.1, 0.03)  # how much of the room for students' text is tried until the page fits
HEADING = 24  # characters of a question's title in the head of a column
BRIEF = 150  # characters of a message in a table
# The device names that Windows keeps for itself, in whatever case and with whatever ending.
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])")
SIMPLE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
Folders = tuple[Path, ...]


def write(gradebook: Gradebook, out: Path, lang: str = "en", folders: Folders = ()) -> Path:
    """Write the class's page, every student's page and scorecard, and gradebook.csv; the path of the class's page.

    `folders` hold the phrases of an assignment and a reference that do not ship with the engine.
    """
    for scorecard in gradebook.scorecards:
        write_scorecard(scorecard, out, gradebook.title, lang, folders)
    return write_class(gradebook, out, lang, folders)


def write_class(gradebook: Gradebook, out: Path, lang: str = "en", folders: Folders = ()) -> Path:
    """Write the class's page and gradebook.csv; the path of the page."""
    _replace(out / "gradebook.csv", table.written(gradebook))
    page = out / "index.html"
    _replace(page, class_page(gradebook, lang, folders))
    return page


def write_scorecard(scorecard: Scorecard, out: Path, title: str = "", lang: str = "en", folders: Folders = ()) -> Path:
    """Write one student's scorecard and page, each at once or not at all; the path of the page."""
    name = file_name(scorecard.student_id)
    # It may be handed out with the page, so it holds no more than the page does of what is for the instructor alone.
    public = scorecard.model_copy(update={"flags": ()})
    _replace(out / "scorecards" / f"{name}.json", public.to_json() + "\n")
    page = out / "students" / f"{name}.html"
    _replace(page, student_page(scorecard, title, lang, folders))
    return page


def file_name(student_id: str) -> str:
    """A name for a student's files: safe on every system, never the same for two ids, still readable.

    A plain lower-case id is its own name. Any other keeps what letters and digits it can and gains "~" and a digest,
    so that neither case nor what was dropped can make two names equal.
    """
    if SIMPLE.fullmatch(student_id) and not RESERVED.fullmatch(student_id):
        return student_id
    readable = "".join(c if c.isalnum() or c in "-_" else "_" for c in student_id[:48]).strip("_")
    digest = hashlib.sha256(student_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{readable}~{digest}"


def schema() -> dict[str, Any]:
    """The JSON Schema of a written scorecard, totals included."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Scorecard.model_json_schema(mode="serialization"),
    }


def student_page(scorecard: Scorecard, title: str = "", lang: str = "en", folders: Folders = ()) -> str:
    """The page for one student, as HTML of at most STUDENT_BYTES."""
    say = phrases.of(lang, scorecard.assignment, folders)
    card = phrases.scorecard(scorecard, say)
    values = {"card": card, "title": say(title or scorecard.assignment), "said": say}
    return _fit("student.html.j2", values, lang, STUDENT_BYTES)


def class_page(gradebook: Gradebook, lang: str = "en", folders: Folders = ()) -> str:
    """The page for the instructor, as HTML of at most CLASS_BYTES for a class of 300."""
    say = phrases.of(lang, gradebook.assignment, folders)
    scorecards = tuple(phrases.scorecard(card, say) for card in gradebook.scorecards)
    gradebook = gradebook.model_copy(update={"scorecards": scorecards})
    values = {
        "book": gradebook,
        "title": say(gradebook.title or gradebook.assignment),
        "totals": summary.totals(scorecards),
        "questions": summary.questions(scorecards),
        "checks": items.checks(scorecards),
        "networks": networks.networks(scorecards),
        "internal": summary.cases(scorecards, (Verdict.INTERNAL,)),
        "stopped": summary.cases(scorecards, summary.STOPPED),
        "waiting": summary.waiting(gradebook),
        "noted": [s for s in scorecards if s.notes],
        "flagged": [s for s in scorecards if s.flags],
        "overridden": [(s, q) for s in scorecards for q in s.questions if q.override],
        "verdicts": summary.verdict_counts(c for s in scorecards for c in s.checks),
        "isolations": {(s.isolation.level, s.isolation.name, s.isolation.verified) for s in scorecards},
        "seconds": [s.seconds for s in scorecards],
        "stand_in": any(s.environment.stand_in for s in scorecards),
    }
    return _fit("class.html.j2", values, lang, CLASS_BYTES)


def _fit(template: str, values: dict[str, Any], lang: str, limit_bytes: int) -> str:
    """Render with as much of the students' text, of long lists and of images as the page has room for."""
    page = ""
    for share in SHARES:
        page = _render(template, values, lang, share)
        if len(page.encode()) <= limit_bytes:
            break
    return page


def _render(template: str, values: dict[str, Any], lang: str, share: float) -> str:
    t = strings(lang)

    def text(value: str, limit_bytes: int = 4000) -> str:
        return clip(plain(value), int(limit_bytes * share), t("page.left_out", count="{count}"))

    def inline(value: str, limit_bytes: int = 300) -> Markup:
        return Markup(f"<bdi>{escape(text(value, limit_bytes))}</bdi>")  # noqa: S704  # escaped here

    def most(count: int, least: int) -> int:
        return max(least, int(count * share))

    return _environment().get_template(template).render(t=t, text=text, inline=inline, most=most, **values)


@cache
def _environment() -> jinja2.Environment:
    """Templates with everything escaped, an unknown name an error, and the functions that they call."""
    folder = content.folder("reports")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        bytecode_cache=compiled.Compiled(folder),
        auto_reload=False,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css, js = (Markup((folder / name).read_text(encoding="utf-8")) for name in ("report.css", "report.js"))  # noqa: S704  # our own files
    environment.globals |= {
        "css": css,
        "css_hash": _source_hash(css),
        "js": js,
        "js_hash": _source_hash(js),
        "charts": charts,
        "summary": summary,
        "failures": failures,
        "layout": layout,
        "window": window,
        "Verdict": Verdict,
        "href": lambda student_id: quote(f"students/{file_name(student_id)}.html"),
        "series": _series,
        "has_hidden": lambda card: any(c.visibility is Visibility.HIDDEN for c in card.checks),
        "tone": _tone,
        "tones": lambda counts: [(_tone(v), n) for v, n in counts],
        "question_points": lambda card: {q.id: q.points for q in card.questions},
        "tints": lambda card: {q.id: _tint(q) for q in card.questions},
        "students_of": lambda cases: len({student for case in cases for student, _ in case.students}),
        "seeds_of": _seeds,
        "lecture": lambda model, baseline: () if model.stand_in else baseline.printed,  # of other classes
        "accuracies": lambda card: {m.question: m.mean_accuracy for m in card.models},
    }
    environment.tests["place_of_answer"] = summary.PLACE.match
    environment.filters |= {
        "percent": charts.percent,
        "median": median,
        "signed": lambda fraction: _signed(f"{fraction * 100:+.1f}"),
        "thousands": lambda number: f"{number:,}",
        "correlation": lambda value: _signed(f"{value:+.2f}"),
        "whole": lambda fraction: f"{fraction * 100:.0f}\N{NO-BREAK SPACE}%",
        "heading": lambda title: brief(title, HEADING),
        "brief": lambda message: brief(message, BRIEF),
    }
    return environment


def _source_hash(source: str) -> str:
    """The hash by which a content security policy allows an inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _series(model: ModelResult, own: str) -> list[charts.Series]:
    """The student's network, named `own`, and the baselines with the same classes."""
    names = [c.name for c in model.classes]
    same = [b for b in model.baselines if [c.name for c in b.classes] == names]
    return [charts.Series(own, model.classes), *(charts.Series(b.title, b.classes) for b in same)]


def _seeds(model: ModelResult, t: Strings) -> str:
    """The accuracies of all seeds that were trained, of the network and of the reference."""
    each = [
        t("model.seeds_one", network=charts.percent(s.network), reference=charts.percent(s.reference))
        for s in model.seeds
    ]
    return t("model.seeds_value", list="; ".join(each))


def _tint(question: QuestionResult) -> str:
    """How a question's points stand out in the table: none at all, some of them lost, or none lost so far."""
    if question.points + question.pending_points >= question.max_points:
        return ""
    return "part" if question.points else "zero"


def _tone(verdict: Verdict) -> str:
    """The colour family of a verdict; its word and mark say the same without colour."""
    if verdict is Verdict.PASSED:
        return "good"
    if verdict.pending:
        return "wait"
    return "mute" if verdict is Verdict.SKIPPED else "bad"


def _signed(number: str) -> str:
    """A number with a sign, as it is printed."""
    return number.replace("-", "\N{MINUS SIGN}")


def _replace(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(text, encoding="utf-8", newline="\n")
    unfinished.replace(path)
