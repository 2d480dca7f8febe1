"""Where the judges of a class run.

The coordinator (grader/batch.py) parts a class into jobs; an engine runs each job's judge and passes on what it says.
"""

from grader.engines.job import Engine, Job, Message
from grader.engines.local import Local

__all__ = ["Engine", "Job", "Local", "Message"]
