"""What lies here is material of test_attacks.py, not tests."""

collect_ignore_glob = ["*"]
