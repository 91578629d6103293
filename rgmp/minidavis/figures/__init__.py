"""The figures of the embedded benchmark; empty, as every room's."""
