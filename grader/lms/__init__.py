"""Learning-management systems and other autograders: one thin module each, all of one shape.

Exports go in as Submissions (`incoming`), grades go out as the instructor's own sheet with one column filled
(`outgoing`), and autograders go out as packages (`package`), which run there (`runner`).
"""

from __future__ import annotations

from grader.lms import canvas, github, gradescope, moodle, nbgrader, otter, plain
from grader.lms.platform import Platform

# In the order in which an export is offered to them: from the surest marks to the vaguest.
PLATFORMS: dict[str, Platform] = {
    p.name: p
    for p in (
        gradescope.PLATFORM,
        moodle.PLATFORM,
        nbgrader.PLATFORM,
        github.PLATFORM,
        canvas.PLATFORM,
        otter.PLATFORM,
        plain.PLATFORM,
    )
}
