def relu(x):
    return x.zero_()
