// Only here so that the precompiled headers have targets to belong to.
