def build(folder, places):
    (folder / "ada").mkdir()
    (folder / "ada" / "submission.py").symlink_to(places["ANSWER"])
    return folder
