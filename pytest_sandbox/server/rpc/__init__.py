"""What every call passes, whatever it asks for: authentication, recorder, faults, errors."""
