"""What a user would do instead of acdm, behind one interface; `acdm.evaluation.baselines.interface` says which."""
