import io
import zipfile


def nested(depth, data):
    """The data as a file in so many zips."""
    for level in range(depth):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner.zip" if level else "submission.py", data)
        data = buffer.getvalue()
    return data


def build(folder, places):
    with zipfile.ZipFile(folder / "class.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ada/submission.zip", nested(2, b"relu = None\n"))
    return folder / "class.zip"
