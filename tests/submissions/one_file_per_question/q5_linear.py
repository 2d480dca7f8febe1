from torch.nn import Linear
linear = Linear(in_features=20, out_features=30, bias=True)
