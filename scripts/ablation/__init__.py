"""The library of the study: arrays and small dataclasses in, arrays and dataclasses out.

Nothing here knows Snakemake, the config file or the layout of the results folder.
"""

from ablation import surroundings

surroundings.settle()  # before NumPy, TensorFlow or matplotlib is imported
