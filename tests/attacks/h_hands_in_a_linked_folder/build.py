from pathlib import Path


def build(folder, places):
    (folder / "me").mkdir()
    (folder / "me" / "notes.txt").write_text("see work")
    (folder / "me" / "work").symlink_to(Path(places["NEIGHBOUR"]).parent)
    (folder / "other").mkdir()
    (folder / "other" / "submission.py").write_text("relu = abs")
    return folder
