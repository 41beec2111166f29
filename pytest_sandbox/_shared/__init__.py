"""What several parts share and no part owns; imports nothing but the standard library."""
