"""What every call passes before its servicer: authentication, recorder, faults, errors."""
