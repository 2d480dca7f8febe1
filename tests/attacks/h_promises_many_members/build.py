import zipfile


def build(folder, places):
    path = folder / "class.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ada/submission.py", "relu = 1")
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x05\x06")
    data[at + 8 : at + 12] = b"\xff" * 4
    path.write_bytes(data)
    return path
