"""`sandbox_template`: fixtures that are set up once and restored for each test."""
