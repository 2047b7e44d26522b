"""Profiles AI-inference workloads and calculates whether running them at the edge pays."""

__version__ = "0.1.0"
