def build(folder, places):
    (folder / "submission.ipynb").write_bytes(b"[" * 100000 + b"]" * 100000)
    return folder
