"""Tests in Modal's cloud: which may reach it, and which do."""
