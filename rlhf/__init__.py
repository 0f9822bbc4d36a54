"""What is learned and what is remembered: the floor of the house."""

__version__ = "0.1.0"
