BEGIN TRANSACTION;
CREATE TABLE endings (
    run INTEGER NOT NULL REFERENCES runs,
    at TEXT NOT NULL,
    how TEXT NOT NULL
);
INSERT INTO "endings" VALUES(1,'2026-01-02T03:04:05+00:00','finished');
CREATE TABLE marks (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    assignment TEXT NOT NULL,
    student TEXT NOT NULL,
    submission TEXT NOT NULL,
    question TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('mark', 'override')),
    points REAL CHECK (points >= 0)
);
INSERT INTO "marks" VALUES(1,'2026-01-02T03:04:05+00:00','lin','a typing error','tiny','ada','d1','q1_double','override',2.5);
CREATE TABLE questions (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs,
    at TEXT NOT NULL,
    assignment TEXT NOT NULL,
    student TEXT NOT NULL,
    submission TEXT NOT NULL,
    basis TEXT NOT NULL,
    question TEXT NOT NULL,
    final INTEGER NOT NULL,
    result TEXT NOT NULL
);
INSERT INTO "questions" VALUES(1,1,'2026-01-02T03:04:05+00:00','tiny','ada','d1','b1','q1_double',1,'{"question":{"id":"q1_double","title":"Q1 Double","checks":[{"id":"test_small","title":"double gives 2 for 1.","visibility":"public","verdict":"PASSED","points":1.0,"max_points":1.0,"message":"","detail":"","seconds":0.0,"answer":"","difference":null,"window":null},{"id":"test_random","title":"more","visibility":"hidden","verdict":"FAILED","points":0.0,"max_points":3.0,"message":"double is wrong.","detail":"","seconds":0.0,"answer":"","difference":null,"window":null}],"explanation":null,"source":[],"mark":null,"override":null},"model":null,"remarks":[],"notes":[],"flags":[],"output":""}');
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started TEXT NOT NULL,
    assignment TEXT NOT NULL,
    assignment_digest TEXT NOT NULL,
    reference_digest TEXT NOT NULL,
    engine TEXT NOT NULL,
    python TEXT NOT NULL,
    torch TEXT NOT NULL,
    device TEXT NOT NULL,
    seed INTEGER NOT NULL,
    recipe TEXT NOT NULL,
    data_digest TEXT NOT NULL,
    isolation INTEGER NOT NULL,
    basis TEXT NOT NULL,
    environment TEXT NOT NULL
);
INSERT INTO "runs" VALUES(1,'2026-01-02T03:04:05+00:00','tiny','a','r','0.1.0','3.11.2','2.6.0','cpu',0,'quick','',0,'b1','{"title": "Twice"}');
CREATE TABLE scorecards (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs,
    at TEXT NOT NULL,
    assignment TEXT NOT NULL,
    student TEXT NOT NULL,
    submission TEXT NOT NULL,
    basis TEXT NOT NULL,
    final INTEGER NOT NULL,
    level INTEGER NOT NULL,
    card TEXT NOT NULL
);
INSERT INTO "scorecards" VALUES(1,1,'2026-01-02T03:04:05+00:00','tiny','ada','d1','b1',1,4,'{"schema_version": 1, "student_id": "ada", "assignment": "tiny", "submission_digest": "d1", "questions": [{"id": "q1_double", "title": "Q1 Double", "checks": [{"id": "test_small", "title": "double gives 2 for 1.", "visibility": "public", "verdict": "PASSED", "points": 1.0, "max_points": 1.0, "message": "", "detail": "", "seconds": 0.0, "answer": "", "difference": null, "window": null}, {"id": "test_random", "title": "more", "visibility": "hidden", "verdict": "FAILED", "points": 0.0, "max_points": 3.0, "message": "double is wrong.", "detail": "", "seconds": 0.0, "answer": "", "difference": null, "window": null}], "explanation": null, "source": [], "mark": null, "override": null}], "models": [], "isolation": {"level": 4, "name": "full", "verified": true, "reason": "every wall held"}, "environment": {"grader": "0.1.0", "python": "3.11.2", "torch": "2.6.0", "torchvision": "0.21.0", "numpy": "1.26.4", "platform": "Linux", "device": "cpu (x86_64)", "seed": 0, "recipe": "cpu-quick", "data_name": "none", "data_digest": "", "stand_in": false, "assignment_digest": "aaaaaaaa"}, "notes": [], "flags": [], "output": "", "seconds": 0.0}');
CREATE TABLE submissions (
    run INTEGER NOT NULL REFERENCES runs,
    student TEXT NOT NULL,
    digest TEXT NOT NULL
);
INSERT INTO "submissions" VALUES(1,'ada','d1');
CREATE INDEX questions_of ON questions (student, submission, basis);
CREATE INDEX scorecards_of ON scorecards (assignment, student);
CREATE INDEX marks_of ON marks (assignment, student);
CREATE VIEW current_scorecards AS
    SELECT * FROM scorecards WHERE id IN (SELECT max(id) FROM scorecards GROUP BY assignment, student);
CREATE VIEW current_marks AS
    SELECT * FROM marks
    WHERE id IN (SELECT max(id) FROM marks GROUP BY assignment, student, submission, question, kind);
CREATE TRIGGER runs_no_update BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'runs is append-only'); END;
CREATE TRIGGER runs_no_delete BEFORE DELETE ON runs BEGIN SELECT RAISE(ABORT, 'runs is append-only'); END;
CREATE TRIGGER endings_no_update BEFORE UPDATE ON endings BEGIN SELECT RAISE(ABORT, 'endings is append-only'); END;
CREATE TRIGGER endings_no_delete BEFORE DELETE ON endings BEGIN SELECT RAISE(ABORT, 'endings is append-only'); END;
CREATE TRIGGER submissions_no_update BEFORE UPDATE ON submissions BEGIN SELECT RAISE(ABORT, 'submissions is append-only'); END;
CREATE TRIGGER submissions_no_delete BEFORE DELETE ON submissions BEGIN SELECT RAISE(ABORT, 'submissions is append-only'); END;
CREATE TRIGGER questions_no_update BEFORE UPDATE ON questions BEGIN SELECT RAISE(ABORT, 'questions is append-only'); END;
CREATE TRIGGER questions_no_delete BEFORE DELETE ON questions BEGIN SELECT RAISE(ABORT, 'questions is append-only'); END;
CREATE TRIGGER scorecards_no_update BEFORE UPDATE ON scorecards BEGIN SELECT RAISE(ABORT, 'scorecards is append-only'); END;
CREATE TRIGGER scorecards_no_delete BEFORE DELETE ON scorecards BEGIN SELECT RAISE(ABORT, 'scorecards is append-only'); END;
CREATE TRIGGER marks_no_update BEFORE UPDATE ON marks BEGIN SELECT RAISE(ABORT, 'marks is append-only'); END;
CREATE TRIGGER marks_no_delete BEFORE DELETE ON marks BEGIN SELECT RAISE(ABORT, 'marks is append-only'); END;
COMMIT;
PRAGMA user_version = 1;
