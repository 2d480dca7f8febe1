import stat
import zipfile


def build(folder, places):
    link = zipfile.ZipInfo("ada/submission.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(folder / "class.zip", "w") as archive:
        archive.writestr(link, places["ANSWER"])
    return folder / "class.zip"
