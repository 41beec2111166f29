"""A sandbox per test."""
