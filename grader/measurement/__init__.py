"""The measurement of a student's networks: what is trained for it, and what the checks and the report get from that.

Theory of operation. A network is trained from its captured graph; one that has none, in its worker with our loop; one
that neither works for is said to be untrainable, and why. Everything that it is compared with (the baselines, the
reference) is trained by the same recipe, data and seed, and each distinct network only once. All comparisons are on the
same test images, whose labels have not left this process.

Where the accuracy comes near a boundary of the scoring rule, student's network and reference are trained from two more
seeds, initial weights included, and their means are what a check sees. Beside the test images a secretly transformed
copy of some is scored; what that and the weights tell is for the instructor alone.
"""

from grader.measurement.accuracy import Accuracy, Measured, Trained
from grader.measurement.measurements import Measurements
from grader.measurement.one_batch import OneBatch

__all__ = ["Accuracy", "Measured", "Measurements", "OneBatch", "Trained"]
