"""The trusted side's handles on untrusted processes: ask them, start them, kill them, and say why one died."""
