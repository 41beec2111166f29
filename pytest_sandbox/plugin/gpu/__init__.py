"""GPUs for tests: the marker and fixture `gpu`, the option `--gpu`."""
