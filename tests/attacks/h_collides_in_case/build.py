import zipfile


def build(folder, places):
    with zipfile.ZipFile(folder / "class.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ada/Layers.py", "def relu(x):\n    return x.clamp(min=0)\n")
        archive.writestr("ada/layers.py", "def relu(x):\n    return x.clamp(min=0)\n")
    return folder / "class.zip"
