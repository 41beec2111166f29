"""Tests of programs that use the real `modal` client."""
