"""What a user would do instead of acdm, behind one interface; `acdm.baselines.interface` says which."""
