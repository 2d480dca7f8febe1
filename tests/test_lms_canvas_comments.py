"""Canvas' API, spoken with a real HTTP server on this machine that behaves as Canvas documents."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from typer.testing import CliRunner

from grader import cli, report
from grader.errors import UsageError
from grader.lms.canvas_comments import Canvas, Where, file_name, token
from grader.model import Gradebook, Scorecard, Verdict
from tests import gradebooks

pytest.importorskip("canvasapi")
keyring = pytest.importorskip("keyring")
pytestmark = pytest.mark.filterwarnings("ignore:Canvas may respond unexpectedly")
TOKEN = "secret-9fqz"  # noqa: S105  # of the server below
STUDENTS = 4
PER_PAGE = 2
SLOWER = -403  # refused for speed, as Canvas did it before it had a number for that


class Fake:
    """What this Canvas holds, and how it misbehaves: `fails[method, pattern]` are status codes still to be given.

    `work` is what it says, one after the other, of grades that were `given` to it together; it has set them when it
    says that this is completed, but for those of users who are `refused`.
    """

    def __init__(self) -> None:
        self.grades: dict[str, str] = {}
        self.comments: dict[str, list[str]] = {str(100 + i): [] for i in range(STUDENTS)}
        self.excused: set[str] = set()
        self.files: dict[str, str] = {}
        self.fails: dict[tuple[str, str], list[int]] = {}
        self.asked: Counter[str] = Counter()
        self.work: list[tuple[str, str]] = [("completed", "")]
        self.given: dict[str, str] = {}
        self.refused: set[str] = set()
        self.base = ""

    def failure(self, method: str, path: str) -> int | None:
        for (wanted, pattern), codes in self.fails.items():
            if wanted == method and codes and re.search(pattern, path):
                return codes.pop(0)
        return None

    def progress(self) -> dict[str, Any]:
        state, message = self.work.pop(0) if len(self.work) > 1 else self.work[0]
        if state == "completed":
            self.grades |= {user: grade for user, grade in self.given.items() if user not in self.refused}
        return {"id": 3, "tag": "submissions_update", "workflow_state": state, "message": message}

    def submission(self, user: str) -> dict[str, Any]:
        names = self.comments[user]
        comments = [{"id": i, "comment": "", "attachments": [{"display_name": n}]} for i, n in enumerate(names)]
        score = float(self.grades[user]) if user in self.grades else None
        return {
            "id": 5, "user_id": int(user), "assignment_id": 7, "course_id": 1, "score": score,
            "excused": user in self.excused, "submission_comments": comments,
        }  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    """The endpoints that are used, as their documentation has them."""

    server: Any
    protocol_version = "HTTP/1.0"

    def log_message(self, *_: object) -> None: ...

    def answer(self, status: int, body: Any, **headers: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def handle_any(self) -> None:
        fake, parsed = self.server.fake, urlparse(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fake.asked[f"{self.command} {re.sub(r'/[0-9]+', '/N', parsed.path)}"] += 1
        if (code := fake.failure(self.command, parsed.path)) is not None:
            return self.answer(abs(code), {"errors": [{"message": "Rate Limit Exceeded" if code == SLOWER else "no"}]})
        if parsed.path == "/upload":
            name = re.search(rb'filename="([^"]+)"', body)[1].decode()
            fake.files["9"] = name
            return self.answer(200, {"id": 9, "url": "x", "display_name": name})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.answer(
                401, {"errors": [{"message": "Invalid access token."}]}, **{"WWW-Authenticate": "Bearer"}
            )
        return self.route(fake, parsed.path, parse_qs(parsed.query), parse_qs(body.decode("utf-8", "replace")))

    do_GET = do_POST = do_PUT = handle_any  # noqa: N815  # http.server's names

    def route(self, fake: Fake, path: str, query: dict[str, list[str]], form: dict[str, list[str]]) -> None:
        if path.endswith("/submissions/update_grades"):
            found = {k: re.fullmatch(r"grade_data\[(\d+)\]\[posted_grade\]", k) for k in form}
            fake.given = {match[1]: form[k][0] for k, match in found.items() if match}
            return self.answer(200, fake.progress())
        if path.endswith("/progress/3"):
            return self.answer(200, fake.progress())
        if path.endswith("/courses/1"):
            return self.answer(200, {"id": 1})
        if path.endswith("/assignments/7"):
            return self.answer(200, {"id": 7, "course_id": 1})
        if path.endswith("/assignments/7/submissions"):
            return self.page(fake, int(query.get("page", ["1"])[0]), path)
        if found := re.search(r"/submissions/(\d+)/comments/files$", path):
            return self.answer(200, {"upload_url": f"{fake.base}/upload", "upload_params": {"key": found[1]}})
        if found := re.search(r"/submissions/(\d+)$", path):
            fake.comments[found[1]] += [fake.files[i] for i in form.get("comment[file_ids][]", [])]
            return self.answer(200, fake.submission(found[1]))
        return self.answer(404, {"errors": []})

    def page(self, fake: Fake, number: int, path: str) -> None:
        users = sorted(fake.comments)[(number - 1) * PER_PAGE : number * PER_PAGE]
        more = number * PER_PAGE < len(fake.comments)
        link = {"Link": f'<{fake.base}{path}?page={number + 1}>; rel="next"'} if more else {}
        self.answer(200, [fake.submission(u) for u in users], **link)


@pytest.fixture
def fake() -> Iterator[Fake]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.fake = Fake()  # type: ignore[attr-defined]  # the handler's way to it
    server.fake.base = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.fake  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


class Vault(keyring.backend.KeyringBackend):  # type: ignore[misc]  # keyring's classes are untyped here
    """A keyring that is a file."""

    priority = 1
    locked = False

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def _known(self) -> dict[str, str]:
        return dict(json.loads(self._path.read_text())) if self._path.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise keyring.errors.KeyringLocked("it stays locked")
        return self._known().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._path.write_text(json.dumps({**self._known(), f"{service} {username}": password}))


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    before, ours = keyring.get_keyring(), Vault(tmp_path / "vault.json")
    keyring.set_keyring(ours)
    yield ours
    keyring.set_keyring(before)


def card(i: int, *verdicts: Verdict) -> Scorecard:
    """A student with as many points as this number has units."""
    base = gradebooks.failing(f"s{i}", *(verdicts or (Verdict.PASSED,)))
    return base.model_copy(update={"platform": "canvas", "platform_id": str(100 + i)})


def book(*cards: Scorecard) -> Gradebook:
    return Gradebook(assignment="cnn", title="CNN", scorecards=cards)


def opened(fake: Fake, token: str = TOKEN, waited: list[float] | None = None, assignment: str = "7") -> Canvas:
    return Canvas(Where(fake.base, "1", assignment), token, (waited if waited is not None else []).append)


def send(fake: Fake, class_: Gradebook, *, pages: bool = True, **options: Any) -> list[str]:
    """All of a run: look, then send; the faults."""
    canvas = opened(fake, **options)
    return [why for _, why in canvas.send(canvas.changes(class_, include_pending=False, pages=pages), "CNN") if why]


CLASS = book(*(card(i) for i in range(STUDENTS)))


def test_looking_changes_nothing_and_sees_every_page(fake: Fake):
    changes = opened(fake).changes(CLASS, include_pending=False)
    assert [c.action for c in changes] == ["grade and comment"] * STUDENTS
    assert not fake.grades
    assert not [asked for asked in fake.asked if not asked.startswith("GET")]


def test_everyone_gets_the_grade_and_one_comment(fake: Fake):
    assert send(fake, CLASS) == []
    assert fake.grades == {str(100 + i): "2" for i in range(STUDENTS)}
    assert fake.comments == {str(100 + i): [file_name(card(i))] for i in range(STUDENTS)}


def test_a_second_run_sends_nothing(fake: Fake):
    send(fake, CLASS)
    fake.asked.clear()
    assert {c.action for c in opened(fake).changes(CLASS, include_pending=False)} == {"unchanged"}
    assert send(fake, CLASS) == []
    assert not [asked for asked in fake.asked if not asked.startswith("GET")]


def test_another_result_is_another_comment(fake: Fake):
    send(fake, book(card(1)))
    assert send(fake, book(card(1, Verdict.PASSED, Verdict.FAILED))) == []
    assert len(fake.comments["101"]) == 2


def test_a_grade_changed_there_is_set_again_without_a_comment(fake: Fake):
    send(fake, book(card(1)))
    fake.grades["101"] = "1"
    send(fake, book(card(1)))
    assert (fake.grades["101"], len(fake.comments["101"])) == ("2", 1)


def test_who_is_pending_excused_or_elsewhere_is_left_alone(fake: Fake):
    fake.excused.add("102")
    cards = book(card(1, Verdict.UNGRADED), card(2), card(50))
    actions = [c.action for c in opened(fake).changes(cards, include_pending=False)]
    assert actions == ["points pending", "excused there", "not in this assignment"]
    assert (send(fake, cards), fake.grades) == ([], {})


def test_too_fast_is_waited_for(fake: Fake):
    """By Canvas' number for that, and by the one that it gave before."""
    fake.fails = {("GET", "submissions$"): [429, 429], ("PUT", "."): [429], ("POST", "comments"): [SLOWER]}
    waited: list[float] = []
    assert send(fake, CLASS, waited=waited) == []
    assert waited == [1, 2, 1, 2]
    assert {len(names) for names in fake.comments.values()} == {1}


def test_all_grades_go_in_one_request_that_is_waited_for(fake: Fake):
    fake.work = [("queued", ""), ("queued", ""), ("running", ""), ("completed", "")]
    fake.fails = {("GET", "progress/3$"): [429, 502]}
    waited: list[float] = []
    assert send(fake, CLASS, waited=waited, pages=False) == []
    assert fake.grades == {str(100 + i): "2" for i in range(STUDENTS)}
    assert waited == [1, 1, 1, 2, 3]
    assert {asked: n for asked, n in fake.asked.items() if not asked.startswith("GET")} == {
        "POST /api/v1/courses/N/assignments/N/submissions/update_grades": 1
    }
    assert not any(fake.comments.values())


@pytest.mark.parametrize(
    ("work", "refused", "says", "unset"),
    [
        ([("failed", "no rubric")], set(), "could not set the grades: no rubric", ["100", "101", "102", "103"]),
        ([("running", "")], set(), "still at it: look there", ["100", "101", "102", "103"]),
        ([("completed", "")], {"102"}, "Canvas has another grade", ["102"]),
    ],
)
def test_a_grade_that_canvas_did_not_set_is_told_by_student_and_gets_no_page(
    fake: Fake, work: list[tuple[str, str]], refused: set[str], says: str, unset: list[str]
):
    fake.work, fake.refused = work, refused
    faults = send(fake, CLASS)
    assert (len(faults), all(says in why for why in faults)) == (len(unset), True)
    assert [user for user, names in sorted(fake.comments.items()) if not names] == unset
    fake.work, fake.refused = [("completed", "")], set()
    assert send(fake, CLASS) == []
    assert {len(names) for names in fake.comments.values()} == {1}


def test_one_students_fault_is_not_the_others_and_the_next_run_mends_it(fake: Fake):
    fake.fails = {("PUT", "submissions/101$"): [500], ("POST", "submissions/103/comments"): [503]}
    assert len(send(fake, CLASS)) == 2
    assert [u for u, names in sorted(fake.comments.items()) if not names] == ["101", "103"]
    assert send(fake, CLASS) == []
    assert {len(names) for names in fake.comments.values()} == {1}


@pytest.mark.parametrize(
    ("options", "fails", "message"),
    [
        ({"token": "wrong"}, {}, "does not accept the token"),
        ({}, {("GET", "assignments/7$"): [403]}, "does not let this token grade"),
        ({"assignment": "8"}, {}, "no such course or assignment"),
        ({}, {("GET", "courses/1$"): [500]}, "gave no answer .*look at --url, or try again later"),
        ({}, {("GET", "submissions$"): [429] * 5}, "gave no answer .*RateLimitExceeded"),
    ],
)
def test_what_the_instructor_mends_is_said(fake: Fake, options: dict[str, str], fails: Any, message: str):
    fake.fails = fails
    with pytest.raises(UsageError, match=message) as caught:
        opened(fake, **options)
    assert "wrong" not in str(caught.value)


def test_an_address_where_nobody_answers_is_said():
    with pytest.raises(UsageError, match=r"gave no answer .*look at --url"):
        Canvas(Where("http://127.0.0.1:1", "1", "7"), TOKEN)


def test_a_token_withdrawn_halfway_stops_and_the_next_run_goes_on(fake: Fake):
    fake.fails = {("PUT", "submissions/102$"): [401]}
    with pytest.raises(UsageError, match="does not accept the token"):
        send(fake, CLASS)
    assert [len(names) for _, names in sorted(fake.comments.items())] == [1, 1, 0, 0]
    assert send(fake, CLASS) == []
    assert {len(names) for names in fake.comments.values()} == {1}


def test_the_token_is_in_no_log_message_or_fault(fake: Fake, caplog: pytest.LogCaptureFixture):
    """Not even where everything is logged that is said on the way, with faults of every kind."""
    caplog.set_level("DEBUG")
    fake.fails = {("GET", "submissions$"): [429], ("PUT", "submissions/101$"): [500], ("POST", "/103/comments"): [503]}
    faults: list[str] = []
    for _ in range(2):
        faults += send(fake, CLASS)
    assert (len(faults), len(caplog.records) > 10) == (2, True)
    assert TOKEN[-4:] not in caplog.text + "".join(faults)


def test_the_command_shows_first_and_sends_when_told(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    report.write_scorecard(card(1), tmp_path / "out")
    monkeypatch.setenv("CANVAS_API_TOKEN", TOKEN)
    command = ["export", "canvas", str(tmp_path / "out"), "--upload", "--url", fake.base]
    command += ["--course", "1", "--assignment", "7"]
    shown = CliRunner().invoke(cli.application(), command)
    assert "grade and comment" in shown.output
    assert "add --yes" in shown.output
    assert not fake.grades
    sent = CliRunner().invoke(cli.application(), [*command, "--yes"])
    assert (fake.grades, len(fake.comments["101"])) == ({"101": "2"}, 1)
    assert "There is nothing to send." in CliRunner().invoke(cli.application(), [*command, "--yes"]).output
    assert TOKEN not in shown.output + sent.output


def test_without_a_token_the_command_says_where_it_looks(fake: Fake, tmp_path: Path, vault: Vault):
    report.write_scorecard(card(1), tmp_path / "out")
    command = ["export", "canvas", str(tmp_path / "out"), "--upload", "--url", fake.base, "--course", "1"]
    result = CliRunner(env={"CANVAS_API_TOKEN": None}).invoke(cli.application(), [*command, "--assignment", "7"])
    assert isinstance(result.exception, UsageError)
    assert "a token in CANVAS_API_TOKEN or, under the name of that address, in the keyring" in str(result.exception)


def test_the_token_comes_from_the_environment_else_from_the_keyring(vault: Vault, monkeypatch: pytest.MonkeyPatch):
    vault.set_password("torchgrader", "canvas.example.edu", TOKEN)
    monkeypatch.delenv("CANVAS_API_TOKEN", raising=False)
    assert token("https://canvas.example.edu/") == TOKEN
    assert token("https://other.example.edu") is None
    monkeypatch.setenv("CANVAS_API_TOKEN", "mine")
    assert token("https://canvas.example.edu") == "mine"


def test_a_keyring_that_stays_locked_has_no_token(vault: Vault, monkeypatch: pytest.MonkeyPatch):
    vault.locked = True
    monkeypatch.delenv("CANVAS_API_TOKEN", raising=False)
    assert token("https://canvas.example.edu") is None
