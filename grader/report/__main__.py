"""`python -m grader.report` prints the JSON Schema of an exported scorecard."""

import json
import sys

from grader.report import schema

if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
