def build(folder, places):
    (folder / "submission.py").write_bytes(b"relu = " + b"9" * 1000000)
    return folder
