import zipfile


def build(folder, places):
    with zipfile.ZipFile(folder / "class.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ada/submission.zip", b"PK")
    return folder / "class.zip"
