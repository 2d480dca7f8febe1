import zipfile


def build(folder, places):
    with zipfile.ZipFile(folder / "class.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ada/submission.ipynb", bytes(10_000_000))
    return folder / "class.zip"
