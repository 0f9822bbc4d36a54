"""Whether a model, or a reward model, treats people differently by who they seem to be.

`counterfactuals` writes prompts in which only the group changes, `measuring` turns answers into
tables, `differences` compares them, `report` puts it together, `publishing` writes it down.
"""
