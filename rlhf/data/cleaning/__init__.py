"""Cleaning, balancing and splitting of what people brought: `run.clean` does it all."""
