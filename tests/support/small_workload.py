"""What sections of the selftest work on in tests: a network and frames of milliseconds."""

from rgmp.config.method import Network
from rgmp.selftest import workload
from support.videos import CPU

SMALL = workload.of(CPU)._replace(
    network=Network(backbone="resnet10", width=4, decoder_width=4),
    size=(45, 70),
    precisions=("fp32",),
)
TRAINED = SMALL._replace(
    size=(64, 96), samples=(((32, 32), 2), ((32, 32), 2)), videos=1, stills=2, steps=4
)
"""Of training."""
