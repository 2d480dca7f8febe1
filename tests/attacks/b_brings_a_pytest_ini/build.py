def build(folder, places):
    (folder / 'submission.py').write_text('def relu(x):\n    return x\n')
    (folder / 'pytest.ini').write_text('[pytest]\naddopts = --collect-only\n')
    return folder
