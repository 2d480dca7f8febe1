def build(folder, places):
    (folder / "submission.py").write_bytes(b"relu = \xff\xfe\xed\xa0\x80")
    return folder
