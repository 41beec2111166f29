"""What the servicers share: sandboxes and all else that has an id. No messages of a call."""
