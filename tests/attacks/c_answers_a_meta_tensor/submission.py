def relu(x):
    return x.to("meta")
