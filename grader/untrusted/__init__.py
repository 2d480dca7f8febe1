"""What runs beside student code: the zygote, its workers, and how they find what was answered.

Standard library, torch and one another only, with `grader.source`, `grader.wire`, `grader.training` and the half of
`grader.graph` that captures.
"""
