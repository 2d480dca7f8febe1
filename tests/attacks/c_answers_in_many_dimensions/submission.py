def relu(x):
    return x.reshape([1] * 63 + [-1])
