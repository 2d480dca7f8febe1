"""The commands, by what they are about. Each is a short list of steps and returns an exit code."""
