// Only here so that the precompiled header of LibTorch has a target to belong to.
