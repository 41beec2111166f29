"""The marker `parametrize_engines` and the fixture `parity`: one test on several engines."""
