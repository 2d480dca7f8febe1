def build(folder, places):
    (folder / 'submission.py').write_text('import random\n\n\ndef relu(x):\n    return x if random else None\n')
    (folder / 'random.py').write_text("import os\n\nexec(open(os.__file__.replace('os.py', 'random.py')).read())\n\n\ndef uniform(low, high):\n    return 1.0\n")
    return folder
