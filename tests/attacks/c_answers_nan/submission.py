def relu(x):
    return x * float("nan")
