TROUBLE = type("<script>alert(1)</script>", (Exception,), {})


def relu(x):
    raise TROUBLE
