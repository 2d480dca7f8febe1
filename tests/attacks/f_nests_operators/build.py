def build(folder, places):
    (folder / "submission.py").write_bytes(b"relu = " + b"-" * 100000 + b"1")
    return folder
