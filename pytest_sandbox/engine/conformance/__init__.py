"""What every engine must do, as checks that any engine can run."""
