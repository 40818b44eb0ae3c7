"""What tests of plugins need: probe environments now, the conformance kit later."""
