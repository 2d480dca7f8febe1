import json


def build(folder, places):
    note = places["MARK"] + "/note"
    cells = [f"!touch {note}", f"%%bash\ntouch {note}", f"%run {note}", "def relu(x):\n    return x.clamp(min=0)"]
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": source} for source in cells]
    book = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": {"name": "sh", "argv": ["touch", note]}}}
    (folder / "submission.ipynb").write_text(json.dumps({**book, "cells": cells}))
    return folder
