"""Learning-rate schedules. A file of this folder is one: build(spec, steps)."""
