"""Submission -> Scorecard: the trusted side, which holds references, labels and points, and never runs student code."""
