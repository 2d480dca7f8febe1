import pickle
import zipfile
from pathlib import Path

import torch


class Payload:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (self.mark, "w")


def build(folder, places):
    """A saved network whose example input is a pickle that leaves a mark when it is loaded."""
    exported = torch.export.export(torch.nn.ReLU(), (torch.ones(1),))
    torch.export.save(exported, folder / "plain.pt2")
    payload = pickle.dumps(Payload(str(Path(places["MARK"]) / "loaded")))
    student = folder / "student"
    student.mkdir()
    with zipfile.ZipFile(folder / "plain.pt2") as plain, zipfile.ZipFile(student / "model.pt2", "w") as hostile:
        for member in plain.namelist():
            hostile.writestr(member, payload if "sample_inputs" in member else plain.read(member))
    (folder / "plain.pt2").unlink()
    (student / "submission.py").write_text("import torch\n\n\ndef relu(x):\n    return torch.relu(x)\n")
    return folder
