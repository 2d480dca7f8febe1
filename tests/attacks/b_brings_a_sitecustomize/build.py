def build(folder, places):
    (folder / 'submission.py').write_text('def relu(x):\n    return x\n')
    (folder / 'sitecustomize.py').write_text('import os\n\nos._exit(0)\n')
    return folder
