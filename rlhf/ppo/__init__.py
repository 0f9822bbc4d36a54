"""Proximal policy optimisation in pure torch: no Ray, no files, no database."""
