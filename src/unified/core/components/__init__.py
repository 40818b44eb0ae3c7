"""What plugins register: descriptors, hooks, options, and components made from a user's own code."""
