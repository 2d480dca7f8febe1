"""Networks as graphs: captured beside student code, rebuilt, compared and looked at on the trusted side.

capture    (worker) nn.Module -> Captured: a JSON-able form (`ir`) of its training and evaluation graphs, its tensors
parsing    (trusted) ir -> Program: every field checked, nothing run
measure    (trusted) shapes, FLOPs and memory of a Program on the meta device, before anything is allocated
rebuild    (trusted) ir + tensors -> Network: an nn.Module that trains without a line of student Python
canonical  (trusted) ir -> fingerprint: the same for every spelling of one network
structure  (trusted) questions about a Network's steps: depthwise convolutions, squeeze-and-excitation, ...

The form. `ir` is {"version", "input": [C, H, W], "batch": None or the one size that works, "tensors": [{"name",
"shape", "dtype", "kind"}], "train": graph, "eval": graph}. A graph is {"nodes": [[op, args, kwargs], ...], "output":
{"node": k}, "outputs": how many tensors the forward returned}. Node 0 is the input (B, C, H, W); the first listed
node is node 1. A value is null, a bool, a number, a string, a list of values, {"node": k} with k before the node,
{"tensor": name}, {"dtype": name} or {"memory_format": name}. Devices are left out: a graph runs where its input lies.
"""
