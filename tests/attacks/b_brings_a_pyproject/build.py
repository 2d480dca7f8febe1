def build(folder, places):
    (folder / 'submission.py').write_text('def relu(x):\n    return x\n')
    (folder / 'pyproject.toml').write_text("[tool.pytest.ini_options]\naddopts = '--collect-only'\n")
    return folder
