// The translation unit behind the precompiled header of all tests.
