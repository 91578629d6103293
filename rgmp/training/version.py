"""The version of training: what decides weights beside settings, data and seed."""

from rgmp.config.method import Network

_NARROW = 16
"""Channels below which version 1 learned from wrong gradients on a CPU (CHANGELOG.md)."""


def version_of(network: Network) -> int:
    """The version of what trains a network, part of the identity of its trainings beyond 1.

    Raised where the same settings, data and seed come to give weights that are worth something
    else, for the networks to which that happens; not where the last bits alone differ.
    """
    return 2 if network.width < _NARROW else 1
