"""Graders side by side: the same fifteen layer checks, each written as that grader wants them."""
