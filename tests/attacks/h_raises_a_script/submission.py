def relu(x):
    raise ValueError("<script>alert(1)</script>")
