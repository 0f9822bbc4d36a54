"""From ratings to a score: preferences, splits by prompt, training, the ensemble, its gate.

Importing the package, its report or its gate loads no learner.
"""
