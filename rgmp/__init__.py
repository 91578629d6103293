"""RGMP, reproduced: a benchmark and ablation harness for Reference-Guided Mask Propagation.

The method: Oh, Lee, Sunkavalli, Kim, "Fast Video Object Segmentation by Reference-Guided Mask
Propagation", CVPR 2018. The command line is `rgmp` (`rgmp.cli.main`); the workflow that chains its
commands into a study is the `Snakefile` beside this package, which does not depend on it.
"""

__version__ = "0.1.0"
