import json


def build(folder, places):
    shown = {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<script>alert(1)</script>"}}
    source = "def relu(x):\n    return x.clamp(min=0)"
    cell = {"cell_type": "code", "metadata": {"trusted": True}, "outputs": [shown], "source": source}
    book = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
    (folder / "submission.ipynb").write_text(json.dumps(book))
    return folder
