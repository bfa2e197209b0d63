"""What a user would do instead of acdm, behind one interface; `interface` says which."""
