"""The verb `choose`: the best of several runs within a budget, chosen on one half of the problems."""
