def build(folder, places):
    (folder / "submission.py").write_bytes(bytes(1000))
    return folder
