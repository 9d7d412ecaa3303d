# Native code for native code: nothing here is for others.
