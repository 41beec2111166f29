"""Files of a sandbox, as the client reads, writes, packs and watches them."""
